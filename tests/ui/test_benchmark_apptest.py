"""The Benchmark page on made-up results and seven tweets by hand: its figures, notices, links, and taking tweets in."""

from __future__ import annotations

import json
import shutil
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import benchmark, standings, tables
from tests.core.fabricated_results import f1_of, write_row
from tests.ui import reading
from tests.ui.reading import address, button, component_data, said, wait_until
from tests.ui.tiny_results import DATA, write_results
from tests.ui.tiny_set import write_data, write_set
from umt_core.analysis.benchmark_pairs import Predictions
from umt_core.analysis.browse import browse
from umt_core.analysis.claims import claims_of, points
from umt_core.analysis.paper import PAPER_TABLE_2
from umt_core.analysis.query import Query
from umt_core.analysis.reproduction import Row, plan
from umt_core.analysis.sets import SET, find_set
from umt_core.data.files import write_json


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results whose predictions nobody has taken in, and the tweets in ``UMT_DATA``."""
    monkeypatch.setenv("UMT_BACKEND", "tests.ui.fake")
    monkeypatch.setenv("UMT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("UMT_PREDICTIONS", str(tmp_path / "predictions"))
    monkeypatch.setenv("UMT_RESULTS", str(tmp_path / "results"))
    return write_results(tmp_path / "results", write_data(tmp_path / "data", DATA))


def opened(**params: str) -> AppTest:
    return reading.opened("benchmark", **({"data": DATA} | params))


def rows(page: AppTest, key: str) -> dict[str, list[dict]]:
    """Cells by system; of the paper's row below it by the system and ``, paper``."""
    found, system = {}, ""
    for row in component_data(page, key)["rows"]:
        title = row["cells"][0]["text"]
        system = system if title == "the paper" else title
        found[system if title != "the paper" else f"{system}, paper"] = row["cells"][1:]
    return found


def texts(cells: list[dict]) -> list[str]:
    return [cell["text"] for cell in cells]


def taken_in(page: AppTest) -> AppTest:
    """The page after its button was clicked and the work is over."""
    button(page, "Take in the predictions").click().run()
    wait_until(lambda: not any(adoption.running for adoption in benchmark._adoptions().values()))
    page.run()
    assert not [b for b in page.button if b.label in ("Stop", "Take in the predictions")], said(page)
    return page


def test_table_2_has_the_means_of_the_seeds_over_the_papers_figures(results):
    table = rows(opened(), f"benchmark_2_{DATA}")
    f1 = [f1_of(Row(DATA, "bert-crf", seed)) for seed in (0, 1, 2)]
    assert table["BERT-CRF"][-1]["text"] == f"{statistics.fmean(f1):.2f}"
    assert table["BERT-CRF"][-1]["sub"] == f"± {statistics.stdev(f1):.2f}"
    for system, printed in PAPER_TABLE_2[DATA].items():
        paper = texts(table[f"{standings.row_title(DATA, system)}, paper"])
        assert [text.removesuffix(" †") for text in paper] == [f"{figure:.2f}" for figure in printed]
        assert sum(text.endswith(" †") for text in paper) == 3 * (system == "umt-bert-crf")
    assert texts(table["BiLSTM-CRF"]) == ["not run"] * 7


def test_what_is_missing_comes_with_the_command_that_runs_it(results):
    code = "\n".join(block.value for block in opened().code)
    assert f"--only {DATA}/bilstm-crf" in code
    assert f"--only {DATA}/umt-bert-crf-no-gate" in code
    assert f"--only {DATA}/bert-crf" not in code
    assert "--about-images 'stand-in photographs'" in code


def test_stand_ins_are_told_wherever_a_row_reads_pictures(results):
    page = opened()
    assert "The pictures are stand-ins" in said(page)
    titles = {
        r["cells"][0]["text"]: r["cells"][0].get("sub", "") for r in component_data(page, f"benchmark_2_{DATA}")["rows"]
    }
    assert titles["UMT"] == titles["MT"] == "3 seeds · stand-in pictures"
    assert titles["BERT-CRF"] == "3 seeds"


def test_a_chart_of_seeds_bears_the_notice_only_if_one_of_its_systems_reads_pictures(results):
    def caption() -> str:
        return next(c.value for c in opened().caption if c.value.startswith("A difference between systems"))

    assert "stand-ins" in caption()
    for row in plan():
        if row.system != "bert-crf" and row.seed:
            row.file(results).unlink(missing_ok=True)
    assert "stand-ins" not in caption()


def test_rows_that_read_text_alone_need_no_notice(results):
    for row in plan():
        if row.system != "bert-crf":
            row.file(results).unlink(missing_ok=True)
    assert "stand-in" not in said(opened())


def test_without_results_the_page_says_how_they_are_made(tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_RESULTS", str(tmp_path / "none"))
    monkeypatch.delenv("UMT_DATA", raising=False)
    page = opened()
    assert not page.error
    assert "Nothing is run yet" in said(page)
    words = (
        f"--data FOLDER --output {tmp_path}/none --only {DATA}/bilstm-crf"  # whatever UMT_RESULTS is, where it is typed
    )
    assert words in "\n".join(block.value for block in page.code)
    assert [text.removesuffix(" †") for text in texts(rows(page, f"benchmark_2_{DATA}")["UMT, paper"])] == [
        f"{n:.2f}" for n in PAPER_TABLE_2[DATA]["umt-bert-crf"]
    ]


def test_a_damaged_file_is_named_in_a_line(results):
    Row(DATA, "bert-crf", 1).file(results).write_text("{")
    page = opened()
    assert ["seed-1.json: wanted results in JSON" in error.value.replace("\\", "") for error in page.error] == [True]


# The tweets behind the figures


def test_no_cell_leads_anywhere_before_the_predictions_are_here(results):
    page = opened()
    assert not [c for cells in rows(page, f"benchmark_2_{DATA}").values() for c in cells if "link" in c]
    assert "no tagger has to run" in said(page)


def test_taken_in_each_figure_leads_to_the_errors_behind_it(results):
    table = rows(taken_in(opened()), f"benchmark_2_{DATA}")
    found = find_set(f"{DATA}/test")
    assert found.has_texts
    for title, system in (("BERT-CRF", "bert-crf"), ("MT", "mt-bert-crf"), ("UMT", "umt-bert-crf")):
        links = [cell["link"] for cell in table[title]]
        assert {link["data"] for link in links} == {f"{DATA}/test"}
        assert {link["system"] for link in links} == {f"{DATA}/{system}"}
        assert [link.get("type") for link in links] == ["PER", "LOC", "ORG", "MISC", None, None, None]
    org = browse(found, Query.from_params(table["UMT"][2]["link"]))
    assert [row["id"] for row in org.rows] == ["wrong"]  # of gold ORG only the Tate Modern is wrong
    precision = browse(found, Query.from_params(table["UMT"][4]["link"]))
    assert precision.gold_spans == 0 < precision.other_spans


def test_counts_of_table_1_lead_to_all_gold_entities_of_the_split(results):
    (line,) = component_data(taken_in(opened()), f"benchmark_1_{DATA}")["rows"]
    found = find_set(f"{DATA}/test")
    gold = [span for row in browse(found, Query()).rows for span in row["gold"]]
    for label, cell in zip(("PER", "LOC", "ORG", "MISC", None), line["cells"][1:6], strict=True):
        behind = browse(found, Query.from_params(cell["link"]))
        assert (behind.gold_spans, behind.other_spans) == (sum(label in (None, s["label"]) for s in gold), 0)
    tweets = browse(found, Query.from_params(line["cells"][6]["link"]))
    assert tweets.tweets == found.info.tweets


def test_counts_of_figures_3_and_4_lead_to_as_many_entities(results):
    page = taken_in(opened())
    found, predictions = find_set(f"{DATA}/test"), Predictions.read(results, DATA)
    assert predictions is not None
    for title, system in (("MT", "mt-bert-crf"), ("UMT", "umt-bert-crf")):
        counts = rows(page, f"benchmark_moved_{DATA}")[title][:2]
        assert texts(counts) == [str(n) for n in predictions.moved("bert-crf", system)]
        for cell in counts:
            behind = browse(found, Query.from_params(cell["link"]))
            assert behind.gold_spans + behind.other_spans == int(cell["text"])


def test_without_the_data_a_line_says_what_to_do(results, monkeypatch, tmp_path):
    monkeypatch.setenv("UMT_DATA", str(tmp_path / "empty"))
    page = opened()
    assert f"UMT_DATA set to it: {DATA}/test.txt" in said(page).replace("`", "")
    assert not [b for b in page.button if b.label == "Take in the predictions"]


def test_predictions_that_are_still_being_copied_are_not_there_yet(results):
    taken_in(opened())
    folder = find_set(f"{DATA}/test").folder
    folder.rename(folder.with_name(f".{folder.name}.part"))
    page = opened()
    assert not [c for cells in rows(page, f"benchmark_2_{DATA}").values() for c in cells if "link" in c]
    assert button(page, "Take in the predictions")


def test_predictions_of_other_tweets_are_not_joined(results, tmp_path):
    file = tmp_path / "data" / DATA / "test.jsonl"
    file.write_text(file.read_text().replace("Berlin", "Vienna"), encoding="utf-8")
    page = opened()
    assert "is not the file that these predictions were made for" in said(page)
    assert not [b for b in page.button if b.label == "Take in the predictions"]


def test_results_trained_again_since_do_not_lead_to_older_predictions(results):
    page = taken_in(opened())
    write_row(results, Row(DATA, "umt-bert-crf", 0), weights="of another training")
    page = opened()
    table = rows(page, f"benchmark_2_{DATA}")
    assert "link" in table["MT"][0]
    assert "link" not in table["UMT"][0]


def test_systems_of_the_same_weights_lead_each_to_its_own_predictions(results):
    twin, weights = "umt-bert-crf-no-esd", "sum of mt-bert-crf"
    write_row(results, Row(DATA, twin, 0), weights=weights)
    kept = results / DATA / "predictions"
    (of_mt,) = kept.glob("mt-bert-crf-*")
    of_twin = Path(shutil.copytree(of_mt, kept / of_mt.name.replace("mt-bert-crf", twin)))
    run = json.loads((of_mt / "manifest.json").read_text()) | {"system": twin, "checkpoint": f"{DATA}/{twin}"}
    (of_twin / "manifest.json").write_text(json.dumps(run))
    page = taken_in(opened())
    for key, title, system in (("2", "MT", "mt-bert-crf"), ("3", standings.row_title(DATA, twin), twin)):
        assert rows(page, f"benchmark_{key}_{DATA}")[title][-1]["link"]["system"] == f"{DATA}/{system}"


@pytest.mark.parametrize("changed", ["test.jsonl", "images/fixed.png"])
def test_predictions_with_other_labels_or_pictures_are_not_those_of_the_figures(results, tmp_path, changed):
    taken_in(opened())
    file = tmp_path / "data" / DATA / changed
    file.write_bytes(file.read_bytes().replace(b"ORG", b"MISC") + b"\n")
    newer = write_set(tmp_path / "data" / DATA / "test.jsonl", tmp_path / "predictions")
    write_json(newer.folder / SET, replace(newer.info, created="2999"))
    page = opened()
    assert not [c for cells in rows(page, f"benchmark_2_{DATA}").values() for c in cells if "link" in c]
    assert "the pages show a newer set of TWITTER-2017 test" in said(page)


# Switches and the link


def test_dev_has_our_figures_alone_and_leads_nowhere(results):
    page = opened(split="dev")
    table = rows(page, f"benchmark_2_{DATA}")
    assert not [title for title in table if title.endswith(", paper")]
    f1 = [f1_of(Row(DATA, "mt-bert-crf", seed), "dev") for seed in (0, 1, 2)]
    assert table["MT"][-1]["text"] == f"{statistics.fmean(f1):.2f}"
    assert "Figures 3 and 4" not in said(page)


def test_the_address_keeps_data_split_and_cost(results):
    page = opened(split="dev", cost="time")
    assert address(page) == {"data": DATA, "split": "dev", "cost": "time"}
    again = opened(**address(page))
    assert again.session_state["benchmark_cost"] == "time"


def test_a_link_that_asks_for_what_is_not_there_says_so(results):
    page = opened(data="twitter2018", split="train")
    shown = said(page)
    assert "data: wanted one of twitter2017, twitter2015" in shown
    assert "split: wanted one of test, dev, got 'train'" in shown
    assert address(page) == {"data": DATA, "split": "test", "cost": "parameters"}


def test_pairs_are_tested_when_asked_for(results):
    page = opened()
    assert not component_data(page, f"benchmark_pairs_{DATA}")
    page.toggle(key="benchmark_chance_twitter2017").set_value(True).run()
    cells = component_data(page, f"benchmark_pairs_{DATA}")["rows"]
    assert [texts(row["cells"])[:2] for row in cells] == [["MT", "BERT-CRF"], ["UMT", "BERT-CRF"], ["UMT", "MT"]]
    assert texts(cells[1]["cells"])[5:7] == ["2", "1"]
    (caption,) = [c.value for c in page.caption if "McNemar's test" in c.value]
    assert caption.endswith("The pictures are stand-ins: nothing here is a finding about the tweets' own.")


def test_the_papers_claims_stand_with_what_holds_of_them(results):
    page = opened()
    lines = [texts(row["cells"]) for row in component_data(page, f"benchmark_claims_{DATA}")["rows"]]
    assert [line[:3] for line in lines] == [
        [c.about, *map(tables.system_title, (c.better, c.worse))] for c in claims_of(DATA)
    ]
    told = {(line[1], line[2]): line[3:] for line in lines}
    assert told["BERT", "HBiLSTM-CRF"] == ["+2.58", "not run", "", ""]
    predictions = Predictions.read(results, DATA)
    assert predictions is not None
    test = predictions.test("mt-bert-crf", "umt-bert-crf")
    means = [statistics.fmean(f1_of(Row(DATA, name, s)) for s in (0, 1, 2)) for name in ("umt-bert-crf", "mt-bert-crf")]
    ours = points(100 * test.difference.value)
    assert told["UMT", "MT"][1:] == [ours, "○ not told from chance", points(means[0] - means[1])]
    assert "What holds up" not in said(opened(split="dev"))


def test_small_taggers_and_those_at_the_paper_s_size_are_tested_apart(results):
    base = f"{DATA}-base"
    for system in ("bert-crf", "umt-bert-crf"):
        write_row(results, Row(base, system, 0), weights=f"sum of {system}")
    shutil.copytree(results / DATA / "predictions", results / base / "predictions")
    page = opened()
    assert not page.exception
    page.toggle(key=f"benchmark_chance_{base}").set_value(True).run()
    assert component_data(page, f"benchmark_pairs_{base}")["rows"]
    assert not page.toggle(key=f"benchmark_chance_{DATA}").value


def test_rows_of_another_row_set_stand_in_a_table_of_their_own(results, monkeypatch):
    own = Row(f"{DATA}-large", "umt-bert-crf", 0)
    planned = [*plan(), own]
    for module in ("benchmark", "reproduction"):
        monkeypatch.setattr(f"umt_core.analysis.{module}.plan", lambda: planned)
    write_row(results, own)
    page = opened()
    assert rows(page, f"benchmark_2_{own.dataset}")["UMT"][-1]["text"] == f"{f1_of(own):.2f}"
    assert set(rows(page, f"benchmark_2_{own.dataset}")) == {"UMT", "UMT, paper"}
    assert "UMT, large" in rows(page, "benchmark_costs")
