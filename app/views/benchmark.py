"""Benchmark: the paper's comparison as it was run again, ours beside the paper's, with what each system costs."""

import streamlit as st

from app import benchmark, markup, standings, state
from app.panels import benchmark_bars, benchmark_charts, benchmark_tweets, linked
from umt_core.analysis.benchmark import (
    benchmark_data,
    costs,
    facts,
    other_encoders,
    row_sets,
    stand_ins,
    table_1,
    table_2,
    table_3,
)
from umt_core.analysis.paper import FIGURES
from umt_core.analysis.reproduction import plan
from umt_core.analysis.reproduction_document import ABLATED, DAGGER, OTHER_ENCODER, STAND_INS
from umt_core.errors import UmtError


def line(text: str) -> str:
    """A paragraph of the document in one line."""
    return " ".join(text.split())


ABOUT = {
    "test": line(DAGGER),
    "dev": "Dev chose the epoch: these figures flatter. The paper prints none, and no predictions on dev are kept.",
}
choices = {"data": benchmark_data(), "split": list(standings.SPLIT_TITLES), "cost": list(standings.COSTS)}
complaints = state.follow_benchmark_link(choices)
st.title("Benchmark", anchor=False)
st.caption("The paper's comparison, run again: every system and every part left out, ours beside the paper's.")
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
    data = st.segmented_control(
        "Data set",
        choices["data"],
        format_func=standings.set_title,
        key=state.Key.BENCHMARK_DATA,
        required=True,
        persist_state="session",
    )
    split = st.segmented_control(
        "Split",
        choices["split"],
        format_func=standings.SPLIT_TITLES.__getitem__,
        key=state.Key.BENCHMARK_SPLIT,
        required=True,
        persist_state="session",
    )
state.keep_benchmark_address()
of_test, names = split == "test", row_sets(data)
if not results.done:
    st.info("Nothing is run yet. The commands below train and score the systems; the page fills as they end.")
elif stand_ins(results):
    st.warning(line(STAND_INS))
if encoders := other_encoders(results):
    st.info(line(OTHER_ENCODER.format(markup.plain(", ".join(encoders)))))

try:
    found = {name: table_2(results, name, split) for name in names}
    browsers = {name: benchmark.browser(name, [*rows, *table_3(results, name)]) for name, rows in found.items()}
    nowhere = standings.NOWHERE
    for name, rows in found.items():
        st.subheader(f"Table 2: {standings.set_title(name)}, {split}", anchor=False)
        with st.spinner("Drawing tweets again and again for the † …"):
            better = benchmark.daggers(name) if of_test else []
        where = browsers[name] if of_test else nowhere
        linked.show(f"benchmark_2_{name}", *standings.standing_cells(rows, where, better))
        st.caption(f"Percent, over strict matches: the mean of the seeds, below it their spread. {ABOUT[split]}")
        if of_test:
            benchmark_tweets.show(name, rows, where)

    every = [standing for rows in found.values() for standing in rows]
    parts = {name: rows for name in names if (rows := table_3(results, name, split))}
    if commands := standings.missing_commands(
        results, [*every, *(row for rows in parts.values() for row in rows)], benchmark.shell_data()
    ):
        with st.expander(f"{len(commands)} systems are not run, or not with all seeds", expanded=not results.done):
            st.caption("Each command can be stopped and goes on where it was. Without `--only` all of them run.")
            st.code("\n".join(commands), language="bash")

    benchmark_charts.seeds(every)
    benchmark_charts.cost(costs(results, names), split, standings.stand_in_line(every))

    for name, rows in parts.items():
        st.subheader(f"Table 3: what each part of UMT is worth, {standings.set_title(name)}", anchor=False)
        where = browsers[name] if of_test else nowhere
        linked.show(f"benchmark_3_{name}", *standings.standing_cells(rows, where, figures=FIGURES[4:]))
        st.caption(line(ABLATED).removeprefix("Ours / the paper's. "))

    if of_test:
        for name in names:
            st.subheader(f"Figures 3 and 4: {standings.set_title(name)}", anchor=False)
            predictions = benchmark.predictions(name)
            benchmark_bars.bars(name, predictions, browsers[name], standings.stand_in_line(found[name]))
            benchmark_bars.chance(name, predictions, browsers[name])

    st.subheader(f"Table 1: {standings.set_title(data)}", anchor=False)
    if (counts := table_1(results, data)) is None:
        st.text("Not counted yet: the first row that runs counts the data.")
    else:
        st.dataframe(standings.count_table(counts), hide_index=True)
        st.caption("Ours / the paper's. `python -m umt_core data stats` says where a difference comes from.")
except UmtError as error:
    st.error(markup.plain(str(error)))
