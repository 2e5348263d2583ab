"""The Errors page as Streamlit runs it, on seven tweets by hand: what it finds, says and keeps in the link."""

from __future__ import annotations

import json
import shutil
import time
from functools import partial

import pytest
from streamlit.testing.v1 import AppTest

from app import markup, sets
from tests.ui import reading
from tests.ui.reading import address, button, cards, component_data, said, wait_until
from tests.ui.tiny_set import HOSTILE, TWEETS, write_run, write_set
from umt_core.analysis.browse import export
from umt_core.analysis.building import build_set, share_set
from umt_core.analysis.query import Query
from umt_core.analysis.sets import PredictionSet
from umt_core.data.jsonl import write_jsonl
from umt_core.schema import Example

BERT, MT, UMT = (f"twitter2017/{system}" for system in ("bert-crf", "mt-bert-crf", "umt-bert-crf"))


opened = partial(reading.opened, "errors")


@pytest.fixture(autouse=True)
def no_job_is_left(monkeypatch):
    """What the next test starts is its own; ``monkeypatch`` is undone only when nothing runs any more."""
    yield
    for job in sets._jobs().values():
        job.stop()
        wait_until(lambda job=job: not job.running)
    sets._jobs().clear()


def test_it_lists_all_tweets_with_gold_marks_and_what_became_of_each_entity(made):
    page = opened()
    found = cards(page)
    assert list(found) == [row[0] for row in TWEETS]
    assert found["fixed"]["gold"] == [{"start": 0, "end": 1, "label": "PER"}, {"start": 3, "end": 4, "label": "LOC"}]
    (line,) = found["fixed"]["lines"]
    assert (line["name"], line["surface"], line["label"]) == ("fixed", "Paris", "PER")
    assert line["readings"] == [["BERT-CRF", "LOC"], ["UMT", "PER"]]
    assert found["broken"]["lines"][0]["readings"] == [["BERT-CRF", "PER"], ["UMT", "PER “Kevin”"]]
    assert [line["name"] for line in found["added"]["lines"]] == ["spurious added"]
    assert found["right"]["note"] == "= both right, 1 of 1"
    assert found["fixed"]["thumbnail"].startswith("data:image/webp")
    assert found["fixed-too"]["thumbnail"] is None
    assert found["fixed-too"]["image"] == "no picture"
    assert HOSTILE in found["added"]["words"]  # as it is: the component shows it by textContent
    assert HOSTILE not in said(page)


def test_many_runs_of_taggers_that_are_not_served_are_one_line(made, monkeypatch):
    lines = {name: f"{name}: its checkpoint is not here" for name in (BERT, MT, UMT)}
    monkeypatch.setattr(PredictionSet, "changed", lambda _: lines)
    page = opened()
    assert "3 of 3 predictions are of taggers other than those served here" in [e.label for e in page.expander]
    assert not page.warning
    assert all(line in said(page) for line in lines.values())
    lines.pop(MT)
    assert [w.value.replace("\\", "") for w in opened().warning] == list(lines.values())


def test_without_a_link_the_page_shows_a_data_set_that_has_predictions(made):
    page = reading.opened("errors", data="")
    assert list(cards(page)) == [row[0] for row in TWEETS]
    assert address(page)["data"] == "tiny/test"


def test_the_figures_count_what_each_system_fixes_and_breaks(made):
    figures = [json.loads(chart.proto.spec) for chart in opened().get("plotly_chart")]
    bars = [{bar["name"]: bar["text"] for bar in figure["data"]} for figure in figures]
    assert bars == [{"MT": ["1"], "UMT": ["2"]}, {"MT": ["1"], "UMT": ["1"]}]


def test_filters_combine_and_go_into_the_link(made):
    page = opened()
    page.button_group(key="errors_outcome").set_value(["fixed", "broken"]).run()
    assert list(cards(page)) == ["fixed", "fixed-too", "broken"]
    page.button_group(key="errors_type").set_value(["PER"]).run()
    assert list(cards(page)) == ["fixed", "broken"]
    page.text_input(key="errors_text").set_value("KEVIN").run()
    assert list(cards(page)) == ["broken"]
    wanted = {"outcome": "fixed,broken", "type": "PER", "text": "KEVIN"}
    assert {name: address(page)[name] for name in wanted} == wanted
    assert "✓ fixed or ✗ broken · PER · “KEVIN”" in said(page)
    button(page, "Clear").click().run()
    assert len(cards(page)) == len(TWEETS)


@pytest.mark.parametrize(
    ("params", "ids"),
    [
        ({"outcome": "fixed"}, ["fixed", "fixed-too"]),
        ({"outcome": "fixed", "system": MT}, ["fixed"]),
        ({"outcome": "broken", "baseline": MT}, []),
        ({"error": "boundary"}, ["broken"]),
        ({"predicted_type": "MISC", "gold_type": "none"}, ["added"]),
        ({"seen": "seen"}, ["fixed", "right"]),
        ({"seen": "seen with another type"}, ["fixed"]),
        ({"regex": "^see|Mod.rn"}, ["fixed-too", "wrong"]),
        ({"words": "9.."}, ["right"]),
        ({"entities": "2.."}, ["fixed"]),
        ({"gate": "0.9.."}, ["right"]),
        ({"image": "present", "sort": "words", "descending": "1"}, ["right", "fixed", "broken"]),
    ],
)
def test_a_link_restores_filters_and_order(made, params, ids):
    page = opened(**params)
    assert list(cards(page)) == ids
    assert bool(ids) != ("No tweet passes all of these filters" in said(page))
    assert {name: address(page)[name] for name in params} == params


def test_a_link_opens_a_tweet_with_a_track_for_gold_and_each_system(made):
    page = opened(outcome="fixed", tweet="fixed")
    tracks = component_data(page, "errors_tracks")
    assert tracks["words"] == ["Paris", "sings", "in", "Berlin"]
    assert [track["title"] for track in tracks["tracks"]] == ["Gold", "BERT-CRF", "MT", "UMT"]
    assert [track["spans"][0]["label"] for track in tracks["tracks"]] == ["PER", "LOC", "PER", "PER"]
    assert "1 of 2" in said(page)
    table = page.dataframe[0].value
    assert table["Outcome"].tolist() == ["✓ fixed", "= both right"]  # the baseline's LOC stands with the first
    assert table["BERT-CRF"].tolist()[0] == "LOC 0.90 (type)"
    assert table["UMT"].tolist()[0] == "PER 0.90"


def test_next_and_previous_stay_within_the_filters(made):
    page = opened(outcome="fixed", tweet="fixed")
    assert button(page, "Previous").disabled
    button(page, "Next").click().run()
    assert "fixed-too · 2 of 2" in said(page).replace("**", "")
    assert button(page, "Next").disabled
    assert address(page)["tweet"] == "fixed-too"
    button(page, "All tweets").click().run()
    assert list(cards(page)) == ["fixed", "fixed-too"]
    assert "tweet" not in address(page)


def test_a_data_sets_tweet_goes_to_inspect_with_its_words_picture_and_gold(made):
    page = opened(tweet="fixed")
    button(page, "Open in Inspect").click().run()
    request = page.session_state["request"]
    assert request.given.tokens == ("Paris", "sings", "in", "Berlin")
    assert [span.label for span in request.given.spans] == ["PER", "LOC"]
    assert request.own_picture.name == "fixed.png"


@pytest.mark.parametrize(
    ("params", "line"),
    [
        ({"words": "many"}, "words: wanted a range like 3..7, got 'many'"),
        ({"outcome": "mended"}, "outcome: wanted of"),
        ({"data": "nowhere/test"}, "The link asks for the data set 'nowhere/test'"),
        ({"system": "nobody"}, "There are no predictions of 'nobody' for this data set; this is UMT."),
        ({"tweet": "gone"}, "wanted a tweet with the id 'gone', there is none"),
    ],
)
def test_what_a_link_asks_for_in_vain_is_said_in_a_line_and_the_rest_is_shown(made, params, line):
    page = opened(**params)
    lines = [w.value.replace("\\", "") for w in page.warning]
    assert len([found for found in lines if line in found]) == 1
    if "data" not in params:
        assert len(cards(page)) == len(TWEETS)


def test_an_invalid_expression_is_one_line_and_the_figures_stay(made):
    page = opened(regex="[")
    assert [e.value.replace("\\", "") for e in page.error] == [
        "regex: wanted a regular expression, got '[': missing ]: ["
    ]
    assert len(page.get("plotly_chart")) == 2
    page.text_input(key="errors_regex").set_value("Ajax").run()
    assert list(cards(page)) == ["fixed-too"]
    assert not page.error


def test_a_page_beyond_the_last_shows_the_last(made):
    assert len(cards(opened(page="7"))) == len(TWEETS)


@pytest.fixture
def other(made, data, tmp_path):
    """A second data set, ``other/test``, whose tweets have 1 and 20 words."""
    file = data.parents[1] / "other" / "test.jsonl"
    file.parent.mkdir()
    write_jsonl(file, [Example(str(words), ("word",) * words, spans=()) for words in (1, 20)])
    found = build_set(file, root=tmp_path / "predictions")
    for system in ("bert-crf", "umt-bert-crf"):
        write_run(found, system, {})


def test_another_data_set_turns_no_filter_on_and_keeps_those_that_are(other):
    page = opened()  # its tweets have 2 to 9 words
    page.selectbox(key="errors_data").set_value("other/test").run()
    assert list(cards(page)) == ["1", "20"]
    page.selectbox(key="errors_data").set_value("tiny/test").run()
    assert len(cards(page)) == len(TWEETS)
    assert address(page).keys() == {"data", "baseline", "system"}
    page.slider(key="errors_words").set_value((3, 10)).run()
    assert address(page)["words"] == "3.."
    page.selectbox(key="errors_data").set_value("other/test").run()
    assert list(cards(page)) == ["20"]
    assert address(page)["words"] == "3.."
    page.selectbox(key="errors_data").set_value("tiny/test").run()
    assert address(page)["words"] == "3.."


def test_a_page_that_is_gone_back_to_is_the_one_that_is_marked(data, tmp_path):
    file = data.parents[1] / "many" / "test.jsonl"
    file.parent.mkdir()
    write_jsonl(file, [Example(f"t{i:02}", ("word",), spans=()) for i in range(60)])
    found = build_set(file, root=tmp_path / "predictions")
    for system in ("bert-crf", "umt-bert-crf"):
        write_run(found, system, {})
    page = opened(data="many/test")
    here = address(page)
    page.get("pagination")[0].set_value(3).run()
    assert list(cards(page)) == [f"t{i}" for i in range(50, 60)]
    del page.query_params["page"]  # back in the browser
    page.run()
    assert address(page) == here
    assert next(iter(cards(page))) == "t00"
    assert page.get("pagination")[0].value == 1
    page.get("pagination")[0].set_value(2).run()
    assert next(iter(cards(page))) == "t25"


def gone_to(page: AppTest, view: str, **params: str) -> str:
    """Goes to a page by a link or back in the browser; the data set that it then shows."""
    page.switch_page(f"views/{view}.py")
    page.query_params.clear()
    for name, value in params.items():
        page.query_params[name] = value
    page.run()
    return page.selectbox(key="errors_data").value


@pytest.mark.parametrize("view", ["scores", "data", "patterns"])
def test_an_address_that_is_gone_back_to_brings_its_data_set_back(other, view):
    page = opened()
    here = address(page)
    assert gone_to(page, view, data="tiny/test") == "tiny/test"
    there = address(page)
    page.selectbox(key="errors_data").set_value("other/test").run()
    assert gone_to(page, "errors", **here) == "tiny/test"
    assert gone_to(page, view, **there) == "tiny/test"
    assert gone_to(page, "errors", data="other/test") == "other/test"
    assert gone_to(page, view, **there) == "tiny/test"


@pytest.mark.parametrize("view", ["errors", "patterns", "scores"])
def test_a_data_set_without_predictions_that_a_link_led_to_can_be_left(made, data, view):
    file = data.parents[1] / "bare" / "test.jsonl"
    file.parent.mkdir()
    write_jsonl(file, [Example("1", ("word",), spans=())])
    page = reading.opened(view, data="bare/test")
    assert "No predictions" in page.subheader[0].value
    assert address(page) == {"data": "bare/test"}
    page.selectbox(key="errors_data").set_value("tiny/test").run()
    assert address(page)["data"] == page.selectbox(key="errors_data").value == "tiny/test"


def test_a_run_that_is_new_has_bars_too(made):
    page = opened()
    write_run(made, "bilstm-crf", {})
    page.run()
    figures = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    assert [len(figure["data"]) for figure in figures] == [3, 3]


def test_two_sessions_keep_their_own_filters(made):
    one, other = opened(outcome="fixed"), opened(outcome="broken")
    one.run()
    assert list(cards(one)) == ["fixed", "fixed-too"]
    assert list(cards(other)) == ["broken"]


def test_a_set_without_its_tweets_still_shows_ids_and_spans(made, tmp_path, monkeypatch):
    shared = tmp_path / "shared" / "tiny" / made.folder.name
    shared.parent.mkdir(parents=True)
    share_set(made, shared)
    monkeypatch.setenv("UMT_PREDICTIONS", str(tmp_path / "shared"))
    page = opened(outcome="fixed")
    assert cards(page)["fixed"]["words"] == ["[1]", "[2]", "[3]", "[4]"]
    assert page.text_input(key="errors_text").disabled
    page = opened(tweet="fixed")
    assert "came without its tweets" in said(page)
    assert button(page, "Open in Inspect").disabled


def test_half_a_file_is_one_line_and_other_sets_work(made, tmp_path):
    broken = tmp_path / "predictions" / "half" / "test-000000000000"
    shutil.copytree(made.folder, broken)
    whole = (broken / "tweets.parquet").read_bytes()
    (broken / "tweets.parquet").write_bytes(whole[: len(whole) // 2])
    page = opened()
    assert [w.value for w in page.warning if "half" in w.value and "\n" not in w.value]
    assert len(cards(page)) == len(TWEETS)


def test_a_checkpoint_that_has_changed_and_other_data_are_said(made, data):
    data.write_text(data.read_text().replace("Monday", "Tuesday"))
    page = opened()
    assert "twitter2017/bert-crf: these are predictions of" in said(
        page
    ) or "twitter2017/bert-crf: its checkpoint" in said(page)
    assert "test.jsonl is not the file that these predictions were made for" in said(page)


def test_without_predictions_a_button_makes_them(data):
    page = opened()
    assert "No predictions for TINY test yet" in said(page)
    assert page.code[0].value.startswith(markup.command("sets", "run"))
    assert str(data) in page.code[0].value
    button(page, "Run the taggers").click().run()
    wait_until(lambda: not sets.job("tiny/test").running)
    page.run()
    assert page.get("plotly_chart")
    assert len(cards(page)) == len(TWEETS)


def test_the_files_are_those_that_the_core_writes(made):
    query = Query(outcome=("fixed",))
    for form in ("csv", "jsonl", "conll"):
        with sets.export(made, query, form) as file:
            assert file.read().decode() == "".join(export(made, query, form))


def test_a_system_against_itself_fixes_and_breaks_nothing(made):
    page = opened(baseline=UMT, system=UMT, tweet="wrong")
    assert page.dataframe[0].value["Outcome"].tolist() == ["≠ both wrong"]
    assert "No tweet passes" in said(opened(baseline=UMT, system=UMT, outcome="fixed"))


def test_one_tagger_alone_has_tweets_but_no_bars(data, tmp_path):
    write_set(data, tmp_path / "predictions", ["umt-bert-crf"])
    page = opened()
    assert "Only one tagger has run over this data set" in said(page)
    assert len(cards(page)) == len(TWEETS)
    assert [b.label for b in page.button if b.label == "Run the taggers"]


def test_predictions_for_other_data_are_left_out_and_said(made):
    manifest = next(made.folder.glob("mt-bert-crf-*/manifest.json"))
    manifest.write_text(manifest.read_text().replace(made.info.data_sha256, "0" * 64))
    page = opened()
    assert [w for w in page.warning if "got those for other data" in w.value]
    assert [track["title"] for track in component_data(opened(tweet="right"), "errors_tracks")["tracks"]] == [
        "Gold",
        "BERT-CRF",
        "UMT",
    ]


def test_a_stopped_job_says_that_what_is_done_is_kept(data, monkeypatch):
    from tests.ui import fake

    def wait_for_the_stop(prediction_set, checkpoints, *, device, part, progress):
        until = time.monotonic() + 120
        while time.monotonic() < until:
            progress(checkpoints[0], 3, 7)
            time.sleep(0.02)

    monkeypatch.setattr(fake, "run_set", wait_for_the_stop)
    page = opened()
    button(page, "Run the taggers").click().run()
    job = sets.job("tiny/test")
    wait_until(lambda: "3 of 7 tweets" in job.line)
    page.run()
    assert job.line == "twitter2017/bert-crf (tagger 1 of 3): 3 of 7 tweets"
    assert job.fraction == pytest.approx(1 / 7)
    button(page, "Stop").click().run()
    wait_until(lambda: not job.running)
    page.run()
    assert "running it again goes on from there" in said(page)
