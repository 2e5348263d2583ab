"""The frame: page settings and the list of pages, and what Streamlit serves them with."""

from __future__ import annotations

import asyncio
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from streamlit.web.server import server_util

from app import access, garbage, markup, state
from app.headers import Headers
from app.panels import sign_in
from app.uploads import Uploads

# Above a page, where it is not called like that.
HEADINGS = {"Inspect": "Inspect a tweet", "Explain": "Explain a tweet"}


def frame() -> None:
    """One run of the page that a reader is on."""
    st.set_page_config(page_title="MNER workbench", page_icon=str(Path(__file__).with_name("icon.svg")), layout="wide")
    # Streamlit leaves room above a page for a toolbar that we hide.
    st.html("<style>.stMainBlockContainer { padding-top: 2.5rem; padding-bottom: 3rem; max-width: 82rem; }</style>")
    who, line = access.arrived()
    page = st.navigation(
        [
            st.Page("views/inspect.py", title="Inspect", icon=":material/image_search:", default=True),
            st.Page("views/explain.py", title="Explain", icon=":material/psychology_alt:"),
            st.Page("views/errors.py", title="Errors", icon=":material/rule:"),
            st.Page("views/scores.py", title="Scores", icon=":material/leaderboard:"),
            st.Page("views/patterns.py", title="Patterns", icon=":material/scatter_plot:"),
            st.Page("views/benchmark.py", title="Benchmark", icon=":material/scoreboard:"),
            st.Page("views/data.py", title="Data", icon=":material/dataset:"),
            st.Page("views/correct.py", title="Correct", icon=":material/edit_note:"),
            st.Page("views/train.py", title="Train", icon=":material/model_training:"),
            st.Page("views/models.py", title="Models", icon=":material/deployed_code_history:"),
        ],
        # The address stays as it is, so that who signs in comes to the page that they asked for.
        position="sidebar" if who else "hidden",
    )
    if who is None:
        sign_in.show(line)
        st.stop()
    # Before all else: what a page needs is loaded when it is run first, which may take a second.
    st.title(HEADINGS.get(page.title, page.title), anchor=False)
    sign_in.account()
    if line := access.refused():
        st.error(markup.plain(line))
    state.turn_to(page.title)
    page.run()
    garbage.spare_imports()


@asynccontextmanager
async def _opening(_: st.App) -> AsyncIterator[None]:
    """Opens a browser once the app answers, unless ``server.headless``: Streamlit does so for bare scripts alone."""
    if not st.get_option("server.headless"):
        url = server_util.get_url(server_util.get_display_address(st.get_option("server.address") or "localhost"))
        asyncio.get_running_loop().call_later(0.5, webbrowser.open, url)
    yield


if __name__ == "__main__":
    frame()
else:
    # `streamlit run` imports this file for what to serve, which it finds by its class, and runs it for each reader.
    served = st.App(__file__, middleware=[Middleware(Headers), Middleware(Uploads)], lifespan=_opening)
