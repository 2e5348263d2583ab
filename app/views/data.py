"""Data: which data sets are here, tweets of one's own, and what is in them."""

import streamlit as st

from app import access, markup, sets, state, tables
from app.panels import upload_form
from umt_core.access.users import Role
from umt_core.data.datasets import data_complaint
from umt_core.errors import UmtError
from umt_core.upload import remove_data_set

state.follow_data_link()
st.caption("The data sets that are here, and tweets of your own with their pictures: labelled, in part, or not yet.")
if (said := state.said_once()) is not None:
    (st.error if said.wrong else st.success)(markup.plain(said.line))
if complaint := data_complaint():
    st.warning(markup.plain(complaint))


def remove(name: str) -> None:
    try:
        state.say_once(f"{name} was moved to {remove_data_set(name)}. Its corrections stay where they are.")
    except UmtError as error:
        state.say_once(str(error), wrong=True)


st.subheader("Data sets", anchor=False)
with st.spinner("Counting …"):
    rows, lines = sets.data_set_rows()
for line in lines:
    st.warning(markup.plain(line))
st.dataframe(tables.data_set_table(rows), hide_index=True, alt="Data sets, with their tweets, labels and pictures")
st.caption("More data sets: point UMT_DATA at a folder that holds twitter2017/test.txt and the like.")
names = [row["name"] for row in rows]
if (asked := st.session_state.get(state.field_key("data"))) not in names:
    st.session_state.pop(state.field_key("data"), None)
    if asked is not None and state.is_a_link(state.Key.SCORES_ADDRESS):
        st.warning(markup.plain(f"The link asks for the data set {asked!r}, which is not here; this is another one."))
with st.container(horizontal=True, vertical_alignment="center"):
    chosen = st.selectbox(
        "Data set",
        names,
        format_func=tables.data_set_title,
        key=state.field_key("data"),
        on_change=state.first_page,
        persist_state="session",
        label_visibility="collapsed",
        width=320,
    )
    query = {"data": chosen}
    st.page_link("views/correct.py", label="Correct", icon=":material/edit_note:", query_params=query)
    st.page_link("views/errors.py", label="Errors", icon=":material/rule:", query_params=query)
    st.page_link("views/scores.py", label="Scores", icon=":material/leaderboard:", query_params=query)
    row = next(row for row in rows if row["name"] == chosen)
    if row["own"]:
        own = chosen.partition("/")[0]
        with st.popover("Remove", icon=":material/delete:"):
            st.markdown(f"**Remove {markup.plain(own)} and its {row['tweets']:,} tweets?**")
            st.caption("It is moved to a folder called trash and can be had back from there. Corrections stay.")
            why_not = access.why_not(Role.PROMOTE)
            st.button(
                "Remove it",
                on_click=access.guarded(Role.PROMOTE, remove),
                args=(own,),
                type="primary",
                disabled=bool(why_not),
                help=why_not or None,
            )
            st.code(markup.command("data", "remove", own), language="bash")
state.keep_data_address(chosen)

st.subheader("Add tweets of your own", anchor=False)
upload_form.show()
