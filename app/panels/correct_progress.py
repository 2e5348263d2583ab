"""How much of a queue is done, and by whom; how far people agree."""

from __future__ import annotations

import streamlit as st

from app import markup, state, tables
from app.panels import correct_desk
from app.panels.correct_choice import ALL, SECOND_OPINION, Chosen
from app.panels.correct_desk import IN_FILE_ORDER, Desk
from umt_core.corrections.events import TweetKey
from umt_core.corrections.second_opinion import ADJUDICATION, agreements, answers
from umt_core.corrections.store import Store


def show(desk: Desk, chosen: Chosen) -> None:
    """Draws the bar, or says that the queue is empty."""
    if not desk.ids:
        st.info(_empty(chosen))
        return
    found = correct_desk.progress(desk)
    by = ", ".join(f"{count:,} by {author}" for author, count in found.done.items())
    line = f"{found.all_done:,} of {found.total:,} done" + (f" ({by})" if by else "")
    line += f" · {found.skipped:,} skipped" if found.skipped else ""
    st.progress((found.all_done + found.skipped) / found.total, text=markup.plain(line))


def _empty(chosen: Chosen) -> str:
    if chosen.shown != ALL:
        return f"No tweet of this queue is {chosen.shown}."
    if chosen.queue == SECOND_OPINION:
        return "There is no tweet that another person has labelled and you have not."
    if chosen.queue == ADJUDICATION:
        return "There is no tweet that two people have labelled differently."
    return (
        "There is no tweet in this data set." if chosen.queue == IN_FILE_ORDER else "There is no tweet in this queue."
    )


def agreement(desk: Desk, store: Store) -> None:
    """For the queues of several people's answers: how far each two agree on the tweets that both have labelled."""
    if desk.queue not in (SECOND_OPINION, ADJUDICATION):
        return
    expander = st.expander("How far people agree", key=state.Key.AGREEMENT, on_change="rerun")
    if not expander.open:  # a key may change it, and all of the events are read for it
        return
    data = desk.tweets.name
    lengths = {TweetKey(data, identity): len(e.tokens) for identity, e in desk.tweets.examples.items()}
    found = agreements(answers(store, data), lengths)
    with expander:
        if not found:
            st.caption("No tweet of this data set has been labelled by two people yet.")
            return
        st.dataframe(tables.agreement(found), hide_index=True, alt="Agreement of each two people")
        st.caption("Cohen's kappa counts words and their tags, beyond chance; F1 counts whole entities.")
