"""The Benchmark page's tables: ours beside the paper's, and what is not run yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app import benchmark, markup, standings
from app.panels import benchmark_tweets, linked
from app.standings import Browser
from umt_core.analysis.benchmark import Results, Standing, table_1
from umt_core.analysis.claims import widest
from umt_core.analysis.paper import FIGURES
from umt_core.analysis.reproduction_document import ABLATED, about_daggers

_CLAIMS = (
    "A line is what the paper says of one system beside another (sections 3.3 and 3.4, in our words): the F1 of the "
    "one minus that of the other, first seeds, test split. It holds (✓), or is the other way about (✗), where the "
    "difference is more than chance would give (p < 0.05, randomisation over tweets) and the means over seeds do not "
    "turn it about. What is not told from chance (○) is no finding against the paper: the table of pairs below says "
    "what size would be found. p knows the tweets alone: it is one training of each system, seeds of one system lie "
    "up to {} points apart, and nothing is corrected for the number of claims."
)
_DEV = "Dev chose the epoch: these figures flatter. The paper prints none, and no predictions on dev are kept."


def line(text: str) -> str:
    """A paragraph of the document in one line."""
    return " ".join(text.split())


def table_2(dataset: str, found: Sequence[Standing], split: str, where: Browser) -> None:
    """The systems, with a † where it belongs as soon as that is known."""
    st.subheader(f"Table 2: {standings.set_title(dataset)}, {split}", anchor=False)
    of_test = split == "test"
    better = benchmark.daggers(dataset) if of_test else []
    linked.show(f"benchmark_2_{dataset}", *standings.standing_cells(found, where, better or ()))
    encoders = dict.fromkeys(standing.encoder for standing in found if standing.encoder)
    said = [f"Text encoder: {markup.plain(', '.join(encoders))}."] if encoders else []
    said += ["Percent, over strict matches: the mean of the seeds, below it their standard deviation."]
    said += map(line, about_daggers(dataset)) if of_test else [_DEV]
    said += ["**Where a † belongs is being worked out …**"] if better is None else []
    st.caption(" ".join(said))
    if of_test:
        benchmark_tweets.show(dataset, found, where)


def table_3(dataset: str, found: Sequence[Standing], where: Browser) -> None:
    """UMT and its parts."""
    st.subheader(f"Table 3: what each part of UMT is worth, {standings.set_title(dataset)}", anchor=False)
    linked.show(f"benchmark_3_{dataset}", *standings.standing_cells(found, where, figures=FIGURES[4:]))
    st.caption(f"Of the first seed in every row. {line(ABLATED)}")


def claims(results: Results, where: Mapping[str, Browser], notice: str) -> None:
    """What the paper says of its systems, and whether it holds here, as soon as that is known; ``where`` by row set."""
    for dataset, place in where.items():
        st.subheader(f"What holds up: {standings.set_title(dataset)}", anchor=False)
        if (found := benchmark.findings(dataset)) is None:
            st.caption("**Whether the paper's claims hold here is being worked out …**")
        else:
            linked.show(f"benchmark_claims_{dataset}", *standings.claim_cells(found, place))
    st.caption(f"{_CLAIMS.format(f'{widest(results):.1f}')}{notice}")


def counts(results: Results, data: str, where: Browser) -> None:
    """Table 1; ``where``: of the predictions on its test split."""
    st.subheader(f"Table 1: {standings.set_title(data)}", anchor=False)
    if (found := table_1(results, data)) is None:
        st.text("Not counted yet: the first row that runs counts the data.")
        return
    linked.show(f"benchmark_1_{data}", *standings.count_cells(found, where))
    leads = " Counts of the test split lead to its entities." if where.runs else ""
    st.caption(
        f"Ours / the paper's; below, by how much they differ: `data stats` says what most of it comes from.{leads}"
    )


def missing(results: Results, found: Sequence[Standing]) -> None:
    """The commands that run what is not there."""
    commands = standings.missing_commands(results, found, benchmark.shell_data())
    if not commands:
        return
    systems = f"{len(commands)} systems are" if len(commands) > 1 else "One system is"
    with st.expander(f"{systems} not run, or not with all seeds", expanded=not results.done):
        st.caption("Each command can be stopped and goes on where it was. Without `--only` all of them run.")
        st.code("\n".join(commands), language="bash")
