"""Benchmark: the paper's comparison as it was run again, ours beside the paper's, with what each system costs."""

import streamlit as st

from app import benchmark, markup, standings, state
from app.panels import benchmark_bars, benchmark_charts, benchmark_tables
from umt_core.analysis.benchmark import (
    benchmark_data,
    costs,
    facts,
    how_timed,
    other_encoders,
    row_sets,
    stand_ins,
    table_2,
    table_3,
)
from umt_core.analysis.reproduction import plan
from umt_core.analysis.reproduction_document import OTHER_ENCODER, about_stand_ins
from umt_core.errors import UmtError

choices = {"data": benchmark_data(), "split": list(standings.SPLIT_TITLES), "cost": list(standings.COSTS)}
complaints = state.follow_benchmark_link(choices)
st.caption(
    "The paper's comparison, run again: every system and every part left out, ours beside the paper's. In a shell: "
    f"`{markup.command('reproduce', '--show')}`."
)
for complaint in complaints:
    st.warning(markup.plain(f"The link: {complaint}"))
try:
    results = benchmark.results()
except UmtError as error:
    st.error(markup.plain(str(error)))
    st.stop()
with st.sidebar:
    st.markdown("**MNER workbench**")
    counted = {"Results": benchmark.where(), "Rows that are done": f"{len(results.done)} of {len(plan())}"}
    made_with = {name.capitalize(): ", ".join(each) or "none" for name, each in facts(results).items()}
    st.html(markup.facts("The comparison", counted | (made_with if results.done else {})))
with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
    st.segmented_control(
        "Data set",
        choices["data"],
        format_func=standings.set_title,
        key=state.Key.BENCHMARK_DATA,
        required=True,
        persist_state="session",
    )
    st.segmented_control(
        "Split",
        choices["split"],
        format_func=standings.SPLIT_TITLES.__getitem__,
        key=state.Key.BENCHMARK_SPLIT,
        required=True,
        persist_state="session",
    )
state.keep_benchmark_address()
data, split, cost = state.benchmark_view()
of_test, names = split == "test", row_sets(data)
if not results.done:
    st.info("Nothing is run yet. The commands below train and score the systems; the page fills as they end.")
elif stand_ins(results):
    st.warning(benchmark_tables.line(about_stand_ins(results)))
if encoders := other_encoders(results):
    st.info(benchmark_tables.line(OTHER_ENCODER.format(markup.plain(", ".join(encoders)))))

try:
    found = {name: table_2(results, name, split) for name in names}
    parts = {name: rows for name in names if (rows := table_3(results, name, split))}
    every = [standing for rows in found.values() for standing in rows]
    notice = standings.stand_in_line(every)
    where = dict.fromkeys(names, standings.NOWHERE)
    if of_test:
        where = {name: benchmark.browser(name, [*found[name], *parts.get(name, ())]) for name in names}

    for name, rows in found.items():
        benchmark_tables.table_2(name, rows, split, where[name])
    benchmark_tables.missing(results, [*every, *(standing for rows in parts.values() for standing in rows)])
    benchmark_charts.seeds(every, where)
    costed = costs(results, names)
    benchmark_charts.cost(costed, split, cost, where, how_timed(costed, results), notice)
    for name, rows in parts.items():
        benchmark_tables.table_3(name, rows, where[name])
    if of_test and results.done:
        benchmark_tables.claims(results, where, notice)
    if of_test:
        for name in names:
            st.subheader(f"Figures 3 and 4: {standings.set_title(name)}", anchor=False)
            predictions = benchmark.predictions(name)
            benchmark_bars.bars(name, predictions, where[name], notice)
            benchmark_bars.chance(name, predictions, where[name], notice)
    benchmark_tables.counts(results, data, where[data])

    if of_test and (unmarked := [name for name in names if benchmark.daggers(name) is None]):
        with st.spinner("Drawing tweets again and again for the † …"):
            for name in unmarked:
                benchmark.find_daggers(name)
        st.rerun()
    if of_test and (unasked := [name for name in names if benchmark.findings(name) is None]):
        with st.spinner("Drawing tweets again and again for the paper's claims …"):
            for name in unasked:
                benchmark.find_claims(name)
        st.rerun()
except UmtError as error:
    st.error(markup.plain(str(error)))
