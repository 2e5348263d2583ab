"""The paper's systems that have no checkpoint here, and the command that trains one."""

from __future__ import annotations

import shlex

import streamlit as st

from app import benchmark, markup, models, sets, tables
from app.state import Key
from umt_core.analysis.benchmark import facts, run_words
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
    pictures = next(iter(facts(results)["pictures"]), "")
    st.code(models.train_command(source, name, system, pictures), language="bash", wrap_lines=True)
    st.caption("Or as a row of the reproduction, with a test and predictions that the Benchmark page shows:")
    row = shlex.join(run_words(results, name, system, benchmark.shell_data()))
    st.code(row, language="bash", wrap_lines=True)
