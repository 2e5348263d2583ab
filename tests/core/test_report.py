"""Case reports: they say what the models say; nothing that comes with a tweet gets out, or becomes markup."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.core import tiny
from umt_core import predict
from umt_core.__main__ import main
from umt_core.corrections.database import file_url
from umt_core.corrections.events import Edit, TweetKey
from umt_core.corrections.store import Store
from umt_core.data.images import open_image
from umt_core.data.jsonl import write_jsonl
from umt_core.explain import attention
from umt_core.explain.counterfactuals import THUMBNAIL, counterfactuals, make_variants
from umt_core.explain.report import (
    CaseReport,
    Correction,
    Fit,
    chosen_words,
    examine,
    report_values,
    system_parts,
)
from umt_core.explain.report_html import el, report_html
from umt_core.predict import Workbench
from umt_core.schema import REGIONS, Example, Span

SYSTEMS = ("bert-crf", "mt-bert-crf", "umt-bert-crf")
NAMES = [f"tiny/{name}" for name in SYSTEMS]
NASTY = '"><script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>'
TWEET = Example("7", ("Anna", "in", "New", "York"), spans=(Span(0, 1, "PER"), Span(2, 4, "LOC")))
HISTORY = (
    Correction("2026-01-01T00:00:00.000Z", "set", None, (Span(0, 1, "ORG"),), "a slip"),
    Correction("2026-01-02T00:00:00.000Z", "undo", (Span(0, 1, "ORG"),), None, author="Kim"),
)
VOID = {"meta", "br", "img"}
LOADING = {"script", "iframe", "object", "embed", "link", "base", "form", "audio", "video", "source", "foreignobject"}


class Reader(HTMLParser):
    """All elements with their attributes, and the text of the file; fails where an element is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.open = "", []
        self.feed(html)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    @property
    def references(self) -> list[str]:
        """What an element could load or lead to."""
        names = ("src", "href", "xlink:href", "action", "formaction", "data", "poster", "srcset", "background")
        return [str(value) for _, attributes in self.elements for name, value in attributes.items() if name in names]


def assert_harmless(html: str) -> Reader:
    found = Reader(html)
    assert not [tag for tag, _ in found.elements if tag in LOADING]
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert not [name for _, attributes in found.elements for name in attributes if name == "style"]
    outside = [
        reference for reference in found.references if not reference.startswith(("#", "data:image/webp;base64,"))
    ]
    assert not outside
    assert not re.search(r"url\(|@import", html)
    return found


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    root: Path = tmp_path_factory.mktemp("checkpoints")
    encoder = tiny.save_encoder(root / "encoder")
    for seed, name in enumerate(SYSTEMS):
        tiny.save_tagger(root, tiny.system(name, seed=seed, text_encoder=encoder, on=tiny.encoder()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_CHECKPOINTS", str(root))
        patch.setenv("UMT_CACHE", str(root / "cache"))
        patch.setenv("UMT_HOME", str(root / "home"))
        patch.setattr(predict, "load_vision_encoder", lambda *_, **__: tiny.TinyVision())
        yield Workbench.load(NAMES, "cpu")


@pytest.fixture(scope="module")
def case(bench: Workbench) -> CaseReport:
    others = {"another tweet's picture 1": tiny.photograph(2), "another tweet's picture 2": tiny.photograph(3)}
    fit = Fit(0.75, 499, 0.76, "stand-in photographs")
    return examine(bench, TWEET, tiny.photograph(1), foreign=others, method="occlusion", fit=fit, history=HISTORY)


def test_pictures_are_read_as_they_are_and_kept_as_small_as_they_are_shown(bench):
    large = Image.effect_noise((500, 400), 80).convert("RGB")
    parts = system_parts(bench, "tiny/umt-bert-crf", TWEET, large, {"another": large.rotate(180)})
    kept = parts.counterfactuals
    whole = counterfactuals(
        bench.predictors["tiny/umt-bert-crf"],
        TWEET,
        make_variants(large, foreign={"another": large.rotate(180)}, blocks=True),
    )
    assert kept is not None
    assert kept.answers == whole.answers
    assert max(max(v.picture.size) for v in kept.variants if v.picture is not None) == THUMBNAIL
    assert [v.title for v in kept.variants] == [v.title for v in whole.variants]


# --- the values ------------------------------------------------------------------------------------


def test_the_values_are_those_of_the_models(bench, case):
    values = report_values(case)
    assert [system["title"] for system in values["systems"]] == list(SYSTEMS)
    for system in values["systems"]:
        inspection = bench.predictors[system["checkpoint"]].inspect(TWEET, tiny.photograph(1))
        assert system["tags"] == list(inspection.prediction.tags)
        found = [(s["start"], s["end"], s["label"], s["probability"]) for s in system["spans"]]
        assert found == [
            (s.span.start, s.span.end, s.span.label, pytest.approx(s.score, abs=1e-5))
            for s in inspection.prediction.spans
        ]
        for of in system["attention"]:
            weights = getattr(inspection, of["map"]).mean(axis=0)
            for row in of["words"]:
                expected = weights[row["word"]] if of["rows_are_words"] else weights[:, row["word"]]
                assert row["weights"] == pytest.approx(expected.tolist(), abs=1e-5)
                if of["rows_are_words"]:
                    assert row["sum"] == pytest.approx(1, abs=1e-4)
        if inspection.gate is not None:
            assert [row["mean"] for row in system["gate"]] == pytest.approx(
                inspection.gate.mean(axis=1).tolist(), abs=1e-5
            )


def test_each_system_has_the_sections_that_it_can_have(case):
    text_only, mt, umt = report_values(case)["systems"]
    assert text_only["attention"] == []
    assert text_only["counterfactuals"] is None
    assert len(mt["attention"]) == len(umt["attention"]) == len(attention.MAPS) - 1
    assert not mt["uses_esd"]
    assert umt["uses_esd"]
    for system in (text_only, mt, umt):
        assert system["provenance"]["difference"] < 1e-3
        assert [row["word"] for row in system["provenance"]["words"]] == [0, 1, 2, 3]
        assert len(system["attributions"]) == len(system["spans"])
    assert [v["kind"] for v in umt["counterfactuals"]["variants"]] == [
        "own", "none", "blurred", "grey", "mean", "foreign", "foreign",
    ]  # fmt: skip
    for span in umt["counterfactuals"]["spans"]:
        assert len(span["drop_by_block"]) == REGIONS


def test_an_encoder_that_was_a_folder_is_told_without_where_it_is(bench, case):
    settings = bench.predictors[NAMES[0]].loaded.info.manifest.model
    assert Path(settings.text_encoder).is_absolute()
    assert {system["text_encoder"] for system in report_values(case)["systems"]} == {"encoder"}
    assert settings.text_encoder not in report_html(case)


def test_what_the_released_codes_choices_do_to_picture_and_probability_is_said(case):
    assert "the models saw it resized to 224 × 224" in report_html(case)
    released = dataclasses.replace(case.parts[NAMES[2]], image_transform="released", tagging="subword")
    html = report_html(dataclasses.replace(case, parts={**case.parts, NAMES[2]: released}))
    assert "mt-bert-crf saw it resized to 224 × 224; umt-bert-crf read a window of 224 × 224 of it" in html
    assert "Of umt-bert-crf tags are on subwords: there it is at most the figure" in html


def test_words_in_parts_add_up_and_the_decoded_tag_is_first(case):
    for system in report_values(case)["systems"]:
        for row in system["provenance"]["words"]:
            for of in (row["tag"], row["second"]):
                assert of["main"] + of["esd"] + of["transitions"] == pytest.approx(of["sum"], abs=1e-4)
            assert row["tag"]["tag"] == system["tags"][row["word"]]
            assert row["tag"]["sum"] >= row["second"]["sum"]


def test_maps_are_those_of_the_entities_first_words(case):
    starts = {s.span.start for i in case.inspections.values() for s in i.prediction.spans} | {0, 2}
    assert chosen_words(case) == sorted(starts)


def test_values_are_json_and_the_page_tells_the_same(case):
    values = report_values(case)
    assert json.loads(json.dumps(values)) == values
    text = Reader(report_html(case)).text
    for system in values["systems"]:
        for span in system["spans"]:
            assert f"{span['probability']:.2f}" in text
        assert f"{system['provenance']['path_score']:.4f}" in text
    assert "attention" in text.lower()
    assert "no proof" in text
    assert "A gate of 0 does not take the picture away" in text
    assert "75% of 499 other tweets" in text
    assert "learned from: stand-in photographs" in text


def test_people_are_named_only_where_asked(case):
    named, unnamed = report_values(case), report_values(dataclasses.replace(case, history=HISTORY[:1]))
    assert [event.get("author") for event in named["history"]] == [None, "Kim"]
    assert "author" not in unnamed["history"][0]
    assert "Kim" not in report_html(dataclasses.replace(case, history=HISTORY[:1]))
    assert "a slip" in report_html(case)


def test_without_a_picture_it_says_so_and_draws_none(bench):
    html = report_html(examine(bench, TWEET, None))
    assert "No picture" in html
    assert "data:" not in html.replace("img-src data:", "")
    assert_harmless(html)


def test_two_checkpoints_of_one_system_keep_their_names(bench, case):
    twice = {"one/umt-bert-crf": case.inspections[NAMES[2]], "two/umt-bert-crf": case.inspections[NAMES[2]]}
    parts = dict.fromkeys(twice, case.parts[NAMES[2]])
    values = report_values(dataclasses.replace(case, inspections=twice, parts=parts))
    assert [system["title"] for system in values["systems"]] == list(twice)


# --- the file ----------------------------------------------------------------------------------------


def test_the_file_loads_nothing_and_forbids_to(case):
    found = assert_harmless(report_html(case))
    policy = next(a["content"] for tag, a in found.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy  # none may: default-src holds for it


def test_every_picture_has_a_text_and_every_table_a_caption(case):
    found = Reader(report_html(case))
    for tag, attributes in found.elements:
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
    tags = [tag for tag, _ in found.elements]
    assert tags.count("table") == tags.count("caption") > 3
    assert all(f'id="{reference[1:]}"' in report_html(case) for reference in found.references if reference[0] == "#")


def test_hostile_text_stays_text(bench):
    tokens = (NASTY, "\u202eevil", "New", "\ud83d", "&amp;", "\x00", "{{7*7}}", "</style>")
    tweet = Example(NASTY, tokens, spans=(Span(0, 2, "PER"), Span(2, 3, NASTY)))
    history = (Correction(NASTY, NASTY, None, (Span(0, 1, NASTY),), NASTY, NASTY),)
    foreign = {NASTY: tiny.photograph(5)}
    case = examine(bench, tweet, tiny.photograph(1), foreign=foreign, fit=Fit(0.5, 9, 0.5, NASTY), history=history)
    parts = {name: dataclasses.replace(of, images=NASTY, text_encoder=NASTY) for name, of in case.parts.items()}
    html = report_html(dataclasses.replace(case, parts=parts))
    found = assert_harmless(html)
    assert "<script>alert(1)</script>" in found.text  # as text
    assert "\u202e" not in html
    assert "&amp;amp;" in html
    html.encode("utf-8")


def test_a_picture_goes_in_without_what_its_file_told(bench, tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x8825] = "SecretCamera", {1: "N", 2: (48.0, 51.0, 29.0)}
    path = tmp_path / "secret-name.jpg"
    tiny.photograph(1).save(path, exif=exif, icc_profile=b"SecretProfile" * 20, comment=b"SecretComment")
    assert b"Secret" in path.read_bytes()
    html = report_html(examine(bench, TWEET, open_image(path)))
    ((encoded),) = set(re.findall(r"data:image/webp;base64,([A-Za-z0-9+/=]+)", html))
    data = base64.b64decode(encoded)
    assert b"Secret" not in data
    assert b"EXIF" not in data
    assert b"ICCP" not in data
    with Image.open(BytesIO(data)) as shown:
        assert not shown.getexif()
        assert shown.size == tiny.photograph(1).size
    assert "secret-name" not in html


def test_an_element_escapes_text_and_attributes():
    assert el("p", "<b>", title='"x"') == '<p title="&quot;x&quot;">&lt;b&gt;</p>'
    assert el("p", el("b", "x")) == "<p><b>x</b></p>"


# --- the command -------------------------------------------------------------------------------------


def test_a_file_of_tweets_becomes_a_file_for_each(bench, tmp_path):
    assert bench.predictors
    images = tmp_path / "some-folder-name"
    images.mkdir()
    for i in range(3):
        tiny.photograph(i).save(images / f"p{i}.png")
    tweets = [
        Example("a", TWEET.tokens, "p0", TWEET.spans),
        Example("../b", ("rain",), "p1"),
        Example("c", ("Paris",), None),
    ]
    write_jsonl(tmp_path / "tweets.jsonl", tweets)
    url = file_url(tmp_path / "store.sqlite")
    with Store(url) as store:
        key = TweetKey(f"{tmp_path.name}/tweets", "a")
        store.append(Edit(key, "set", "Kim", TWEET.spans, (Span(0, 1, "ORG"),), 0, reason="checked"))
    out = tmp_path / "out"
    arguments = ["explain", "--input", str(tmp_path / "tweets.jsonl"), "--images", str(images), "--output", str(out)]
    arguments += [word for name in NAMES for word in ("--checkpoint", name)]
    assert main([*arguments, "--json", "--corrections", url, "--device", "cpu"]) == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "a.html", "a.json", "c.html", "c.json", "tweet-2.html", "tweet-2.json",
    ]  # fmt: skip
    for path in out.glob("*.html"):
        html = path.read_text(encoding="utf-8")
        assert_harmless(html)
        for secret in (str(tmp_path), images.name, "Kim", "store.sqlite"):
            assert secret not in html
    assert "checked" in (out / "a.html").read_text(encoding="utf-8")
    values = json.loads((out / "a.json").read_text(encoding="utf-8"))
    assert values["history"][0]["after"][0]["label"] == "ORG"
    assert [v["kind"] for v in values["systems"][2]["counterfactuals"]["variants"]].count("foreign") == 1
    assert main([*arguments, "--corrections", url, "--authors", "--device", "cpu"]) == 0
    assert "Kim" in (out / "a.html").read_text(encoding="utf-8")


def test_what_cannot_be_reported_is_one_line_and_2(bench, tmp_path, capsys):
    assert bench.predictors
    (tmp_path / "empty.jsonl").write_text('{"tokens": []}\n')
    arguments = ["explain", "--checkpoint", NAMES[0], "--output", str(tmp_path / "out"), "--device", "cpu", "--input"]
    assert main([*arguments, str(tmp_path / "empty.jsonl")]) == 2
    assert main([*arguments, str(tmp_path / "none.jsonl")]) == 2
    assert capsys.readouterr().err.count("error:") == 2
