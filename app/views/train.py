"""Train: the next version of a tagger, from corrected labels and own tweets, in the background."""

import streamlit as st

from app import markup
from app.panels import train_detail, train_form, train_jobs
from umt_core.errors import UmtError
from umt_core.train import jobs

st.caption("The next version of a tagger, from corrected labels and your own tweets. It is served once you promote it.")
asked = st.query_params.get("job")
try:
    if asked is not None:
        train_detail.show(asked)
        st.stop()
except UmtError as error:
    st.warning(markup.plain(str(error)))
found = jobs.jobs()
if any(job.state in jobs.OPEN_STATES for job in found):  # what is going on is what a reader comes for
    train_jobs.show(found)
    train_form.show(found)
else:
    train_form.show(found)
    train_jobs.show(found)
