"""How much of a queue is done, and by whom."""

from __future__ import annotations

import streamlit as st

from app import markup
from app.panels import correct_desk
from app.panels.correct_choice import ALL, Chosen
from app.panels.correct_desk import Desk


def show(desk: Desk, chosen: Chosen) -> None:
    """Draws the bar, or says that the queue is empty."""
    if not desk.ids:
        st.info(
            "There is no tweet in this data set."
            if chosen.shown == ALL
            else f"No tweet of this queue is {chosen.shown}."
        )
        return
    found = correct_desk.progress(desk)
    by = ", ".join(f"{count:,} by {author}" for author, count in found.done.items())
    line = f"{found.all_done:,} of {found.total:,} done" + (f" ({by})" if by else "")
    line += f" · {found.skipped:,} skipped" if found.skipped else ""
    st.progress((found.all_done + found.skipped) / found.total, text=markup.plain(line))
