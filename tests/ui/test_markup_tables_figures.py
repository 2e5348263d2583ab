"""The pure part of the pages: escaped text, tables, figures, links."""

import html
import sys

import numpy as np
import pandas as pd
import pytest

from app import figures, markup, provenance_tables, state, tables
from tests.ui.fake import fabricate
from umt_core.analysis.agreement import differences
from umt_core.schema import Example, ScoredSpan, Span

HOSTILE = "<img src=x onerror=alert(1)> **b** [a](http://x.y) `c` $d$ :material/home: <!-- -->"
TOKENS = ("Jordan", "lands", "in", "Paris")
UMT = fabricate("twitter2017/umt-bert-crf", Example("1", TOKENS), has_image=True)


def test_hostile_text_comes_out_of_html_as_it_went_in():
    escaped = markup.escape(HOSTILE)
    assert "<" not in escaped
    assert '"' not in markup.escape('"')
    assert html.unescape(escaped) == HOSTILE


def test_markdown_has_no_sign_left_that_means_something():
    escaped = markup.plain(HOSTILE + "\n# heading")
    signs = "*_`[]()<>#$:!|~"
    assert all(escaped[i - 1] == "\\" for i, c in enumerate(escaped) if c in signs)
    assert "\n" not in escaped


def test_a_command_begins_with_the_python_that_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for runs, typed in ((f"{tmp_path}/.venv/bin/python", ".venv/bin/python"), ("/usr/bin/python3", "/usr/bin/python3")):
        monkeypatch.setattr(sys, "executable", runs)
        assert markup.command("train", "--help") == f"{typed} -m umt_core train --help"


@pytest.mark.parametrize("token", ["\u200b", "\u202e", "\ufe0f", "\x00", "\u3164", ""])
def test_a_token_without_a_glyph_is_shown_by_its_code_points(token):
    assert markup.visible(token) in {f"U+{ord(token):04X}" if token else "empty"}


@pytest.mark.parametrize("token", ["Paris", "👩‍👩‍👧", "e\u0301", "🇫🇷", "مرحبا"])
def test_a_token_with_a_glyph_stays_as_it_is(token):
    assert markup.visible(token) == token


def test_facts_and_legend_escape_what_they_are_given():
    assert "<b>x" not in markup.facts("<b>x", {"<i>": "<u>"})
    assert "<i>" not in markup.facts("t", {"<i>": "v"})
    assert "<script>" not in markup.legend({"PER": "<script>"})


def test_the_entity_table_has_a_row_for_each_reading():
    found = {
        "A": [ScoredSpan(Span(0, 1, "PER"), 0.9), ScoredSpan(Span(3, 4, "LOC"), 0.8)],
        "B": [ScoredSpan(Span(0, 1, "PER"), 0.7), ScoredSpan(Span(3, 4, "ORG"), 0.6)],
    }
    table = tables.entities(TOKENS, found, gold=[Span(0, 1, "PER"), Span(2, 3, "MISC")])
    rows = table.astype(object).where(table.notna(), None).to_numpy().tolist()
    assert rows == [
        ["Jordan", "PER", "yes", 0.9, 0.7, "= all 2"],
        ["in", "MISC", "yes", None, None, "≠ none"],
        ["Paris", "LOC", "no", 0.8, None, "≠ 1 of 2"],
        ["Paris", "ORG", "no", None, 0.6, "≠ 1 of 2"],
    ]


def test_no_word_of_a_table_turns_its_cell_around():
    tokens = ("\u202eevil", "\u200b")
    found = {"A": [ScoredSpan(Span(0, 2, "PER"), 0.9)]}
    assert list(tables.entities(tokens, found)["Entity"]) == ["evil U+200B"]
    assert list(tables.words_of_block(tokens, np.array([0.7, 0.3]))["Word"]) == ["evil", "U+200B"]
    assert provenance_tables.named(tokens, Span(0, 2, "PER")) == "PER evil U+200B"


def test_an_empty_entity_table_has_the_columns_of_a_full_one():
    full = tables.entities(TOKENS, {"A": [ScoredSpan(Span(0, 1, "PER"), 0.9)]})
    empty = tables.entities(TOKENS, {"A": []})
    assert list(empty.columns) == list(full.columns)


def test_a_difference_says_who_reads_what():
    found = differences({"A": [Span(0, 2, "PER")], "B": [Span(0, 1, "PER")], "C": []})
    assert tables.difference_lines(TOKENS, found) == [("Jordan lands", "A: PER; B: PER “Jordan”; C: nothing")]


def test_top_blocks_count_rows_and_columns_from_one():
    row = np.zeros(49)
    row[[0, 13]] = 0.25, 0.75
    table = tables.top_blocks(row, count=2)
    assert table[["Row", "Column"]].to_numpy().tolist() == [[2, 7], [1, 1]]
    assert table["Of an even share"].tolist() == pytest.approx([0.75 * 49, 0.25 * 49])


def test_words_of_a_block_are_in_order_of_weight():
    table = tables.words_of_block(TOKENS, np.array([0.1, 0.4, 0.2, 0.3]))
    assert table["Word"].tolist() == ["lands", "Paris", "in", "Jordan"]
    assert table["Position"].tolist() == [2, 4, 3, 1]


def test_gate_table_is_mean_and_spread():
    gate = np.array([[0.0, 1.0], [0.5, 0.5]], np.float32)
    table = tables.gates(("a", "b", "not read"), gate)
    assert table["Mean"].tolist() == [0.5, 0.5]
    assert table["Standard deviation"].tolist() == [0.5, 0.0]
    assert len(table) == 2


def test_contributions_add_up():
    table = tables.contributions(UMT, 0)
    assert table["Sum"].to_numpy() == pytest.approx((table["Main"] + table["From ESD"]).to_numpy(), abs=1e-5)
    assert table["Probability"].sum() == pytest.approx(1, abs=1e-5)


def test_a_system_without_esd_has_an_empty_table_of_the_same_columns():
    bert = fabricate("twitter2017/bert-crf", Example("1", TOKENS), has_image=True)
    assert list(tables.contributions(bert, 0).columns) == list(tables.contributions(UMT, 0).columns)
    assert tables.esd(bert) == []


def test_esd_has_a_tag_and_its_own_probability_for_each_word():
    shown = tables.esd(UMT)
    assert [tag for tag, _ in shown] == ["B", "O", "O", "B"]
    assert UMT.esd_marginals is not None
    assert shown[0][1] == pytest.approx(float(UMT.esd_marginals[0, 1]))


def test_a_uniform_conversion_matrix_favours_no_type_and_a_moved_one_is_found_out():
    assert UMT.conversion is not None
    assert tables.type_spread(UMT.conversion, UMT.tags) == 0
    moved = UMT.conversion.copy()
    moved[1, 1] += 0.125  # ESD's B gives more to B-PER
    assert tables.type_spread(moved, UMT.tags) == pytest.approx(0.125)


def test_gate_bars_show_hostile_words_as_text_and_mark_the_chosen_one():
    words = ["<b>x</b>", "<a href='javascript:1'>", "paris"]
    table = tables.gates(words, np.full((3, 4), 0.5))
    figure = figures.gate_bars(table, words, chosen=2)
    ticks = figure.layout.xaxis.ticktext
    assert ticks[0] == "&lt;b&gt;x&lt;/b&gt;"
    assert ticks[2] == "<b>paris</b>"
    assert list(figure.data[0].marker.opacity) == [figures.OTHERS, figures.OTHERS, figures.CHOSEN]
    assert list(figure.data[0].y) == [0.5, 0.5, 0.5]


def test_contribution_bars_hold_the_table():
    table = pd.DataFrame({"Tag": ["O"], "Main": [1.0], "From ESD": [2.0], "Sum": [3.0], "Probability": [1.0]})
    assert [trace.y[0] for trace in figures.contribution_bars(table).data] == [1.0, 2.0, 3.0]


def test_model_facts_are_in_readable_units():
    info = {"parameters": 22_700_000, "memory_bytes": 90 * 2**20, "scores": {"test": {"f1": 0.8125}}}
    assert tables.model_facts(info) == {"Parameters": "22.7 M", "Memory": "90 MiB", "Test F1": "81.2 %"}
    assert "Test F1" not in tables.model_facts(info | {"scores": {}})


def test_notices_stand_once_after_the_systems_that_give_them():
    example = Example("1", TOKENS)
    found = [fabricate(f"d/{s}", example, has_image=False) for s in ("bert-crf", "mt-bert-crf", "umt-bert-crf")]
    assert tables.notice_lines(found) == ["MT and UMT: no picture: 49 blocks of zeros"]


@pytest.mark.parametrize(
    ("params", "view"),
    [
        ({}, {}),
        ({"word": "3"}, {}),  # of no sample
        ({"sample": "s1", "word": "3", "head": "0", "map": "block_to_word", "system": "MT"},
         {"sample": "s1", "word": 3, "head": 0, "map": "block_to_word", "system": "MT"}),
        ({"sample": "s1", "word": "-3", "head": "x", "map": "__class__"}, {"sample": "s1"}),
        ({"sample": "s1", "word": "9" * 5000}, {"sample": "s1"}),
        ({"sample": "s1", "word": "²"}, {"sample": "s1"}),
    ],
)  # fmt: skip
def test_a_link_gives_what_can_be_had_of_it(params, view):
    assert state.parse_link(params, ["s1"]) == (view, None)


def test_a_link_to_a_sample_that_is_not_there_says_so():
    view, complaint = state.parse_link({"sample": "<script>", "word": "1"}, ["s1"])
    assert view == {}
    assert complaint is not None
    assert "<" not in complaint
