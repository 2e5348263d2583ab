"""``tests.ui.fake`` with taggers more, which say of themselves what would run if a page took it for more than text.

The pages load it through ``UMT_BACKEND=tests.ui.fake_hostile``.
"""

from __future__ import annotations

from typing import Any

from tests.ui.fake import *  # noqa: F403  all that stands in for a module of ours
from tests.ui.fake import checkpoints as sound

# Of checkpoints; without a slash, as it is a folder's. A backtick ends code in Markdown, and &#47; is a slash there.
SET = "<img src=x onerror=alert(1)>`![x](https:&#47;&#47;example.org&#47;x.png)`$(id)"
CLAIMS = (
    "<svg/onload=alert(1)> [x](javascript:alert(1)) ![x](https://example.org/x.png) $\\href{javascript:alert(1)}{x}$"
)


def checkpoints() -> list[Any]:
    hostile = sound()
    for one in hostile:
        one.name = f"{SET}/{one.manifest.system}"
        one.manifest.dataset = SET
        one.manifest.images = CLAIMS
        one.manifest.weights_sha256 = f"{CLAIMS} {one.manifest.system}"
    return [*hostile, *sound()]
