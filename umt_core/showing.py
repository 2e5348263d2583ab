"""How text and entity types are shown, on pages and in reports. Free of torch and of Streamlit."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Mapping

# Hues of Okabe and Ito, told apart by colour-blind readers; the label always stands beside the colour.
TYPE_COLOURS: Mapping[str, str] = {"PER": "#0072B2", "LOC": "#009E73", "ORG": "#D55E00", "MISC": "#B0569A"}
_UNSEEN = ("Cc", "Cf", "Cs")  # controls, formats such as a change of direction, halves of surrogate pairs


def escape(text: str) -> str:
    """Text that HTML, and plotly's subset of it, show as it is."""
    return html.escape(text, quote=True)


def printable(text: str) -> str:
    """The text without what is not seen of it, and might hide or turn around what is; joined emoji stay joined.

    >>> printable("\\u202eevil\\ud800")
    'evil'
    """
    return "".join(c for c in text if unicodedata.category(c) not in _UNSEEN or c == "\u200d")


def visible(token: str) -> str:
    """The token, or its code points where nothing would be seen of it.

    >>> visible("Paris"), visible("\\u200b"), visible("\\u202eevil")
    ('Paris', 'U+200B', 'evil')
    """
    shown = printable(token)
    if shown.strip("\u200d \u3164\ufe0e\ufe0f"):
        return shown
    return " ".join(f"U+{ord(c):04X}" for c in token) or "empty"


def shown_words(words: Iterable[str]) -> str:
    """Words beside each other as they are shown.

    >>> shown_words(["\\u202eNew", "York"])
    'New York'
    """
    return " ".join(map(visible, words))


def right_to_left(words: Iterable[str]) -> bool:
    """Whether most letters run from right to left.

    >>> right_to_left(["שלום", "UN"]), right_to_left(["7", "days"])
    (True, False)
    """
    directions = [unicodedata.bidirectional(c) for word in words for c in word]
    return sum(d in ("R", "AL") for d in directions) > sum(d == "L" for d in directions)
