"""Models: the versions of each tagger, what a retrained one changed, and which one is served."""

import streamlit as st

from app import lineage, markup, models
from app.panels import correct_choice, linked, models_before_after, models_detail, systems_to_train
from umt_core.errors import UmtError
from umt_core.registry import Damaged, complaints

st.caption("Every version of every tagger, what a retrained one fixed and broke, and which one answers on all pages.")
with st.sidebar:
    st.markdown("**MNER workbench**")
    author = correct_choice.author_box()
models_detail.said()
for line in complaints():
    st.warning(markup.plain(line))
found = models.lines()
if not found:
    st.info(f"No tagger is here. Train one: `{markup.command('train', '--help')}`.")
    st.stop()
by_name = {line.found.name: line.found for line in found}
newest = max(found, key=lambda line: "" if isinstance(line.found, Damaged) else line.found.manifest.created)
asked = st.query_params.get("model")
if asked is not None and asked not in by_name:
    st.warning(markup.plain(f"The link asks for {asked!r}, which is not here; this is another one."))
chosen = asked if asked in by_name else newest.found.name
linked.show("models_versions", *lineage.overview_cells(found, chosen), page=None)

version = by_name[chosen]
try:
    if isinstance(version, Damaged):
        models_detail.damaged(version, author)
    else:
        models_detail.show(version, author)
        models_before_after.show(version)
except UmtError as error:  # somebody has just removed it
    st.error(markup.plain(str(error)))
models_detail.log()
systems_to_train.show()
