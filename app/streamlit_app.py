"""The frame: page settings and the list of pages."""

import os

# Set before torch loads: spinning OpenMP threads make a forward many times slower beside a busy neighbour.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import streamlit as st

st.set_page_config(page_title="MNER workbench", page_icon=":material/image_search:", layout="wide")
st.navigation(
    [
        st.Page("views/inspect.py", title="Inspect", icon=":material/image_search:", default=True),
    ]
).run()
