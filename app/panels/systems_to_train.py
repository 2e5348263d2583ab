"""The paper's systems that have no checkpoint here, and the command that trains one."""

from __future__ import annotations

import streamlit as st

from app import benchmark, markup, models, sets, tables
from app.state import Key
from umt_core.analysis.benchmark import OWN_RUNS, run_words
from umt_core.analysis.reproduction import data_of
from umt_core.errors import DataError


def show() -> None:
    """Which are missing, set by set, and the command for the one that is chosen."""
    st.subheader("Systems without a checkpoint here", anchor=False)
    missing = {name: systems for name, systems in models.missing_systems().items() if systems}
    if not missing:
        st.caption("None: all systems of the paper are here, in every checkpoint set.")
        return
    st.caption(
        "Those of the paper's systems that nobody has trained here. A version of one that is here comes from the "
        "Train page; any other is trained from the command line."
    )
    with st.expander("Which are here, set by set"):
        st.table(models.system_rows().set_index("System"))
    left, right = st.columns(2)
    name = left.selectbox("Checkpoint set", list(missing), key=Key.MODELS_SET)
    system = right.selectbox(
        "System", missing[name], format_func=tables.system_title, key=f"{Key.MODELS_SYSTEM}_{name}"
    )
    source = next((s for s in sets.sources().values() if s.of.name == data_of(name)), None)
    try:
        results = benchmark.results()
    except DataError as error:
        st.warning(markup.plain(str(error)))
        return
    st.code(models.train_command(source, name, system), language="bash", wrap_lines=True)
    row = run_words(results, name, system, benchmark.shell_data())
    # A row that is done has predictions, and no weights: they would be too many to ship.
    where = (
        f" with UMT_RESULTS={OWN_RUNS}; here that row is done, without its checkpoint" if str(OWN_RUNS) in row else ""
    )
    st.caption(f"Or as a row of the reproduction, with predictions that the Benchmark page shows{where}:")
    st.code(markup.command(*row[3:]), language="bash", wrap_lines=True)
