"""The Inspect page as Streamlit runs it, with fabricated models: what appears, and what a session keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app import services
from tests.ui import fake
from umt_core import registry
from umt_core.data.samples import OPENING_SAMPLE, load_samples
from umt_core.errors import CheckpointError
from umt_core.schema import Example, Inspection

ENTRY = Path(__file__).resolve().parents[2] / "app" / "streamlit_app.py"
TWEET = "Taylor sings in Berlin"
FABRICATE = fake.fabricate
MAP = "block_to_word"  # not the first one


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("UMT_BACKEND", "tests.ui.fake")
    return AppTest.from_file(str(ENTRY), default_timeout=300)


def texts(page: AppTest) -> str:
    """All lines of the page but the tweet box."""
    kinds = ("title", "subheader", "caption", "markdown", "info", "warning", "error", "text")
    return "\n".join(element.value for kind in kinds for element in page.get(kind))


def picture_bytes(format: str = "PNG") -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (30, 20), "teal").save(buffer, format)
    return buffer.getvalue()


def component_data(page: AppTest, key: str) -> dict:
    """What a component of ours was given to draw."""
    (element,) = [e for e in page.get("bidi_component") if key in e.proto.id]
    data: dict = json.loads(element.proto.json)
    return data


@pytest.mark.parametrize("view", ["inspect", "explain"])
def test_a_first_run_that_is_broken_off_is_no_way_back_to_the_opening_sample(page, monkeypatch, view):
    """As by a click while taggers are loaded: the page has not written its address yet."""
    other = next(s.example.id for s in load_samples() if s.example.id != OPENING_SAMPLE)
    page.query_params["sample"], page.query_params["map"] = other, MAP
    page.switch_page("views/explain.py" if view == "inspect" else "views/inspect.py").run()
    assert page.query_params["map"] == MAP
    page.query_params.clear()  # as the menu's link has none
    with monkeypatch.context() as patch:
        patch.setattr(services, "load", lambda chosen: ({}, []))
        page.switch_page(f"views/{view}.py").run()
        page.run()
    assert not page.query_params
    page.run()
    assert not page.exception
    assert (page.query_params["sample"], page.query_params["map"]) == (other, MAP)


def test_it_opens_on_a_sample_that_is_analysed(page):
    page.run()
    sample = next(s for s in load_samples() if s.example.id == OPENING_SAMPLE)
    assert not page.exception
    assert page.text_area[0].value == sample.example.text
    tracks = component_data(page, "tracks")
    assert tracks["words"] == list(sample.example.tokens)
    assert [track["title"] for track in tracks["tracks"]] == ["Gold", "BERT-CRF", "MT", "UMT"]
    assert page.query_params["sample"] == OPENING_SAMPLE


def test_an_own_tweet_is_read_without_the_samples_picture_and_stays_out_of_the_link(page):
    page.run()
    page.text_area[0].set_value(TWEET).run()
    assert component_data(page, "tracks")["words"] == TWEET.split()
    assert "no picture" in texts(page)
    assert component_data(page, "overlay")["image"] is None
    assert not page.query_params


def test_the_samples_picture_stays_where_the_reader_says_so(page):
    page.run()
    page.checkbox[0].check().run()
    page.text_area[0].set_value(TWEET).run()
    assert component_data(page, "overlay")["image"].startswith("data:image/webp")


def test_an_uploaded_picture_is_shown_and_can_be_taken_away(page):
    page.run()
    page.text_area[0].set_value(TWEET).run()
    page.get("file_uploader")[0].set_value(("photo.png", picture_bytes(), "image/png")).run()
    assert component_data(page, "overlay")["ratio"] == 1.5
    assert component_data(page, "overlay")["image"] is not None
    next(b for b in page.button if b.label == "Remove picture").click().run()
    assert component_data(page, "overlay")["image"] is None


def test_a_file_that_is_no_picture_gives_one_line_with_its_name(page):
    page.run()
    page.get("file_uploader")[0].set_value(("holiday.jpg", b"just text", "image/jpeg")).run()
    assert not page.exception
    (error,) = page.error
    assert "holiday.jpg" in error.value.replace("\\", "")
    assert "\n" not in error.value
    assert not [e for e in page.get("bidi_component") if "tracks" in e.proto.id]


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_a_blank_tweet_asks_for_one(page, text):
    page.run()
    page.text_area[0].set_value(text).run()
    assert not page.exception
    assert [i.value for i in page.info] == ["Type or paste a tweet to see its entities."]


STRANGE = {
    "emoji": "🎉🔥👩‍👩‍👧",
    "zero width": "\u200b\u200d\ufeff",
    "right to left": "مرحبا من القاهرة",
    "markup": "<script>alert(1)</script> & <b>",
    "control": "a\u202eb \x00 c",
    "1,000 words": "Paris " * 1_000,
}


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
def test_strange_tweets_break_nothing(page, text):
    page.run()
    page.text_area[0].set_value(text).run()
    assert not page.exception
    assert not page.error
    assert len(component_data(page, "tracks")["words"]) <= 100


def test_a_long_tweet_says_how_far_it_was_read(page):
    page.run()
    page.text_area[0].set_value("Paris " * 1_000).run()
    assert "BERT\\-CRF, MT and UMT\\: read the first 60 words" in page.info[0].value
    assert "920 more words" in component_data(page, "tracks")["more"]


@pytest.mark.parametrize(
    ("text", "got"), [("Paris " * 1_001, "1,001 words"), ("a" * 10_001, "10,001 characters")], ids=["words", "letters"]
)
def test_a_text_longer_than_a_tweet_may_be_is_refused_in_one_line_and_stays_in_the_box(page, text, got):
    page.run()
    page.text_area[0].set_value(text).run()
    assert not page.exception
    (error,) = page.error
    assert error.value.replace("\\", "") == f"wanted a tweet of at most 1,000 words and 10,000 characters, got {got}"
    assert page.text_area[0].value == text
    assert not [e for e in page.get("bidi_component") if "tracks" in e.proto.id]
    next(b for b in page.button if b.label == "Add to my tweets").click().run()
    assert f"got {got}" in texts(page).replace("\\", "")


def test_a_link_restores_the_view(page):
    sample = next(s for s in load_samples() if len(s.example.tokens) > 3 and s.example.id != OPENING_SAMPLE)
    for name, value in {
        "sample": sample.example.id,
        "word": "2",
        "map": "block_to_word",
        "head": "3",
        "system": "MT",
    }.items():
        page.query_params[name] = value
    page.run()
    assert component_data(page, "tracks")["chosen"] == 2
    assert page.selectbox(key="head").value == 3
    assert component_data(page, "overlay")["title"] == "block → word"
    assert page.session_state["system"] == "MT"
    assert page.query_params["word"] == "2"


def test_a_link_to_nowhere_opens_the_first_sample_and_says_so(page):
    page.query_params["sample"] = "<b>nowhere</b>"
    page.run()
    assert not page.exception
    assert len(page.warning) == 1
    assert page.query_params["sample"] == OPENING_SAMPLE


@pytest.mark.parametrize("manifest", [None, "{", '{"format": 99}'], ids=["missing", "cut short", "foreign"])
def test_a_damaged_checkpoint_folder_gives_one_line_and_the_others_work(page, tmp_path, monkeypatch, manifest):
    folder = tmp_path / "mine" / "umt-bert-crf"
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"")
    if manifest is not None:
        (folder / "manifest.json").write_text(manifest)
    monkeypatch.setenv("UMT_CHECKPOINTS", str(tmp_path))
    page.run()
    (error,) = page.error
    assert error.value.replace("\\", "").startswith("mine/umt-bert-crf")
    assert "\n" not in error.value
    assert component_data(page, "tracks")["words"]


def test_weights_that_do_not_load_give_one_line_and_the_other_taggers_go_on(page, monkeypatch):
    from tests.ui import fake

    def load(chosen, device, leave_out):
        assert leave_out
        found = fake.Workbench([c.name for c in chosen if c.name not in broken])
        found.failures = {name: CheckpointError(f"nowhere/weights of {name}: cut short") for name in broken}
        return found

    broken = ["twitter2017/mt-bert-crf"]
    monkeypatch.setattr(fake.Workbench, "load", load)
    monkeypatch.setattr("app.services.DEVICE", "none that another test has loaded on")
    page.run()
    assert not page.exception
    (error,) = page.error
    assert error.value.replace("\\", "") == "twitter2017/mt-bert-crf/weights of twitter2017/mt-bert-crf: cut short"
    assert [track["title"] for track in component_data(page, "tracks")["tracks"]] == ["Gold", "BERT-CRF", "UMT"]

    broken.clear()
    next(b for b in page.button if b.label == "Load again").click().run()
    assert not page.error
    assert [t["title"] for t in component_data(page, "tracks")["tracks"]] == ["Gold", "BERT-CRF", "MT", "UMT"]


def test_where_no_weights_load_nothing_else_is_shown(page, monkeypatch):
    from tests.ui import fake

    def load(chosen, device, leave_out):
        found = fake.Workbench(())
        found.failures = {c.name: CheckpointError(f"{c.name}: cut short") for c in chosen}
        return found

    monkeypatch.setattr(fake.Workbench, "load", load)
    monkeypatch.setattr("app.services.DEVICE", "none either")
    page.run()
    assert not page.exception
    assert len(page.error) == 3
    assert not page.get("bidi_component") or not [e for e in page.get("bidi_component") if "tracks" in e.proto.id]


def test_going_back_shows_the_view_of_that_address_and_leaves_the_address_alone(page):
    other = next(s for s in load_samples() if s.example.id != OPENING_SAMPLE)
    page.run()
    address = {"sample": other.example.id, "word": "1", "map": "none of ours"}
    page.query_params.clear()
    for name, value in address.items():
        page.query_params[name] = value
    page.run()  # what Streamlit does after the browser's Back
    assert component_data(page, "tracks")["words"] == list(other.example.tokens)
    assert component_data(page, "tracks")["chosen"] == 1
    assert {name: page.query_params[name] for name in address} == address
    assert "head" not in page.query_params  # a fuller address would be a step forward again

    page.query_params.clear()
    page.run()
    assert page.text_area[0].value == next(s for s in load_samples() if s.example.id == OPENING_SAMPLE).example.text
    assert not page.query_params


def test_going_back_does_not_lose_an_own_tweet(page):
    page.run()
    page.text_area[0].set_value(TWEET).run()
    page.query_params["sample"] = OPENING_SAMPLE
    page.run()
    assert page.text_area[0].value != TWEET
    page.query_params.clear()  # and forward again
    page.run()
    assert page.text_area[0].value == TWEET
    assert component_data(page, "tracks")["words"] == TWEET.split()


def test_a_sample_between_does_not_lose_an_own_tweet(page):
    page.run()
    page.text_area[0].set_value(TWEET).run()
    page.session_state["asked"] = OPENING_SAMPLE  # as the gallery does
    page.run()
    assert page.text_area[0].value != TWEET
    page.query_params.clear()  # and back
    page.run()
    assert page.text_area[0].value == TWEET


def test_what_a_link_asks_for_in_vain_is_text(page):
    page.query_params["data"], page.query_params["tweet"] = "[Sign in](https://evil.example)", "1"
    page.run()
    assert not page.exception
    (line,) = [warning.value for warning in page.warning if "evil" in warning.value]
    assert "\\[Sign in\\]" in line


def test_a_text_typed_while_the_address_was_under_way_is_kept(page):
    page.run()
    page.query_params["word"] = "3"  # the browser's address of a moment ago
    page.text_area[0].set_value(TWEET).run()
    assert component_data(page, "tracks")["words"] == TWEET.split()


@pytest.mark.slow
def test_the_shipped_taggers_open_on_the_sample(monkeypatch):
    monkeypatch.delenv("UMT_BACKEND", raising=False)
    if len(registry.checkpoints()) < 3:
        pytest.skip("no three shipped checkpoints")
    page = AppTest.from_file(str(ENTRY), default_timeout=300).run()
    assert not page.exception
    assert not page.error
    tracks = component_data(page, "tracks")["tracks"]
    assert [track["title"] for track in tracks] == ["Gold", "BERT-CRF", "MT", "UMT"]
    assert all(track["spans"] for track in tracks)
    assert sum(component_data(page, "overlay")["weights"]) == pytest.approx(1, abs=1e-3)


def test_without_a_tagger_that_looks_nothing_claims_to(page):
    page.run()
    page.button_group(key="systems_twitter2017").set_value(["bert-crf"]).run()
    assert not page.exception
    assert "These taggers read text only" in texts(page)
    assert not [e for e in page.get("bidi_component") if "overlay" in e.proto.id]


def as_adacan(name: str, example: Example, has_image: bool) -> Inspection:
    """What one of the systems that the paper compares with shows: one map, one head, a gate of its own."""
    found = FABRICATE(name.replace("adacan-bert-crf", "mt-bert-crf"), example, has_image)
    if not name.endswith("adacan-bert-crf"):
        return found
    return replace(
        found,
        system="adacan-bert-crf",
        checkpoint=name,
        word_to_block=None,
        block_to_word=None,
        word_to_image_aware_block=None,
        visual_attention=found.word_to_block[:1],
    )


def test_each_tagger_offers_the_maps_that_it_has(page, monkeypatch):
    monkeypatch.setattr(fake, "SYSTEMS", (*fake.SYSTEMS, "adacan-bert-crf"))
    monkeypatch.setattr(fake, "fabricate", as_adacan)
    page.run()
    page.button_group(key="systems_twitter2017").set_value(["mt-bert-crf", "adacan-bert-crf"]).run()
    assert not page.exception
    choice = page.button_group(key="system")
    assert list(choice.options) == ["AdaCAN-BERT-CRF", "MT"]  # in the paper's order
    for title, maps, heads in (("AdaCAN-BERT-CRF", ["text → block"], 1), ("MT", ["word → block"], 12)):
        page.button_group(key="system").set_value(title).run()
        assert not page.exception
        assert list(page.button_group(key="map").options)[:1] == maps
        assert len(page.selectbox(key="head").options) == heads + 1
        assert sum(component_data(page, "overlay")["weights"]) == pytest.approx(1, abs=1e-3)
        assert ("It lets through what this tagger" in texts(page)) == (title != "MT")


ABLATED = {"no-conversion": ("converted_esd", "conversion"), "no-gate": ("gate",)}  # Table 3: what each lacks


def as_ablation(name: str, example: Example, has_image: bool) -> Inspection:
    """UMT, without what an ablation leaves out."""
    whole, _, left_out = name.partition("umt-bert-crf-")
    if not left_out:
        return FABRICATE(name, example, has_image)
    found = FABRICATE(f"{whole}umt-bert-crf", example, has_image)
    return replace(found, system=f"umt-bert-crf-{left_out}", checkpoint=name, **dict.fromkeys(ABLATED[left_out]))


def test_ablations_are_called_by_their_names_and_said_to_have_what_they_have(page, monkeypatch):
    ablations = [f"umt-bert-crf-{name}" for name in ABLATED]
    monkeypatch.setattr(fake, "SYSTEMS", (*fake.SYSTEMS, *ablations))
    monkeypatch.setattr(fake, "fabricate", as_ablation)
    page.run()
    page.button_group(key="systems_twitter2017").set_value(ablations).run()
    assert not page.exception
    assert component_data(page, "tracks")["esdTitle"] == "ESD (UMT w/o visual gate)"  # whose scores are added
    said = texts(page).replace("\\", "")
    assert "What each part of UMT w/o visual gate says of" in said
    assert "This system has no gate: the word takes all of Q." in said
    assert "scales Q" not in said
    page.button_group(key="system").set_value("UMT w/o conversion matrix").run()
    assert "The gate scales Q and nothing else." in texts(page)

    page.button_group(key="systems_twitter2017").set_value(ablations[:1]).run()
    assert component_data(page, "tracks")["esdTitle"] == "ESD (UMT w/o conversion matrix)"
    assert "What each part of" not in texts(page)  # nothing is added
