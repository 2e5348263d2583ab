"""Counts beside the paper's Table 1, agreement of the tokeniser, and what is wrong with files."""

from pathlib import Path

import pytest
from PIL import Image

from umt_core.data import stats
from umt_core.data.agreement import agreement, rejoin
from umt_core.data.conll import parse_conll
from umt_core.data.images import ImageIndex
from umt_core.errors import DataError
from umt_core.schema import Example

LINES = ["IMGID:1", "a\tB-PER", "b\tI-PER", "c\tI-LOC", "", "IMGID:2", "d\tO", "e\tI-OTHER", "f\tB-OTHER", "", ""]


def test_entities_are_counted_leniently_and_strictly():
    lenient = stats.entity_statistics(parse_conll(LINES))
    strict = stats.entity_statistics(parse_conll(LINES), strict=True)
    assert lenient == {
        "tweets": 2, "tokens": 6, "PER": 1, "LOC": 1, "ORG": 0, "MISC": 2, "total": 4, "orphans": 2, "not_labelled": 0,
    }  # fmt: skip
    assert [strict[key] for key in ("PER", "LOC", "ORG", "MISC", "total")] == [1, 0, 0, 1, 2]


def test_the_papers_table_adds_up():
    for counts in stats.PAPER_TABLE_1.values():
        assert sum(counts[label] for label in ("PER", "LOC", "ORG", "MISC")) == counts["total"]


def test_a_difference_is_explained_by_what_was_counted(monkeypatch):
    paper = {"PER": 1, "LOC": 0, "ORG": 0, "MISC": 2, "total": 3, "tweets": 2}
    monkeypatch.setattr(stats, "PAPER_TABLE_1", {"twitter2015/test": paper, "twitter2017/test": paper})
    files = {"twitter2015/test": parse_conll(LINES)}
    rows = {row["count"]: row for row in stats.table1_rows(files)}
    assert [rows["LOC"][key] for key in ("ours", "strict", "paper", "ours_minus_paper")] == [1, 0, 0, 1]
    (text,) = stats.table1_explanations(files)
    assert "2 entities begin with an I- that continues nothing (LOC +1, MISC +1)" in text
    assert "but for MISC -1" in text


def test_files_are_read_from_a_folder_and_its_subfolders(tmp_path):
    for name in ("a/test.txt", "a/train.jsonl", "top.conll", "a/b/deeper.txt", "a/notes.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("" if name.endswith("jsonl") else "IMGID:1\nx\tO\n")
    assert set(stats.read_files(tmp_path)) == {"a/test", "a/train", f"{tmp_path.name}/top"}
    assert list(stats.read_files(tmp_path / "a/test.txt")) == ["a/test"]
    (tmp_path / "a/test.jsonl").write_text('{"id": "1", "text": "in Oslo"}\n')  # beside one of its stem
    assert set(stats.read_files(tmp_path / "a")) == {"a/test.txt", "a/test.jsonl", "a/train", "b/deeper"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="got none in it"):
        stats.read_files(tmp_path / "empty")


def test_doctor_finds_what_is_wrong(tmp_path: Path):
    Image.new("RGB", (4, 4), "red").save(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes((tmp_path / "1.png").read_bytes())
    (tmp_path / "3.png").write_text("no picture")
    files = {
        "x/train": [Example(name, ("in", "Oz"), image=name) for name in ("1", "2", "3", "4")],
        "x/test": [Example("1", ("\u200b", "\ufe0f", "🎉"), image="1"), *parse_conll(["IMGID:9", "a\tI-PER"])],
    }
    seen = []
    rows = {
        row["check"]: row
        for row in stats.doctor(files, ImageIndex.open(tmp_path), progress=lambda paths: seen.extend(paths) or paths)
    }
    assert rows["orphan I- tags"]["items"] == ["x/test:9 token 0"]
    assert rows["tweets with the same words"]["items"] == ["x/train:1 = x/train:2 = x/train:3 = x/train:4"]
    assert rows["tweets with the same id"]["items"] == ["x/train:1 = x/test:1"]
    assert rows["tokens without a visible character"]["count"] == 2
    assert rows["tweets without a picture"]["items"] == ["x/train:4", "x/test:9"]
    assert rows["pictures that cannot be read"]["items"] == [
        "x/train:3: 3.png: wanted a JPEG, PNG, WEBP or GIF picture, got text"
    ]
    assert rows["pictures that several tweets share"]["items"] == ["1.png: 2 tweets"]
    assert rows["pictures with the same bytes under several names"]["items"] == ["1.png = 2.png"]
    assert len(seen) == 3
    assert {row["of"] for row in rows.values()} == {6}


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("twitter2017", 'RT @NBA: I\'ll go (5th) - "yes"! #one 7-10 👋🏾🇺🇸'),
        ("twitter2015", "RT @Ann_Lee: don't \" - same-sex 2.99 https://t.co/a"),
    ],
)
def test_rejoined_tokens_stand_where_they_say(style, text):
    tokens = text.replace("-", " - ").replace("'", " ' ").split()
    joined, found = rejoin(tokens, style)
    assert [joined[a:b] for a, b in found.offsets] == tokens
    assert joined.replace(" ", "") == "".join(tokens)


def test_agreement_counts_shared_places():
    tweets = [Example("1", ("#", "NBA", "!"), spans=()), Example("2", ("👏", "🏾", "Oz"), spans=())]
    found = agreement(tweets, "twitter2017")
    # 👏🏾 is one token of ours: 3 + 1 of 6 published and 5 of our tokens are shared
    assert found["token_f1"] == pytest.approx(2 * 4 / (6 + 5))
    assert (found["tweets_exact"], found["tweets_exact_but_emoji"]) == (0.5, 1.0)
    assert found["differences"] == [(("👏 🏾", "👏🏾"), 1)]


@pytest.mark.shared_data
def test_the_published_files_hold_what_the_paper_counts(shared_data):
    rows = stats.table1_rows(stats.read_files(shared_data))
    of_2017 = [row["ours_minus_paper"] for row in rows if row["split"].startswith("twitter2017")]
    assert of_2017 == [0] * 18
    of_2015 = {(row["split"], row["count"]): row["strict_minus_paper"] for row in rows if "2015" in row["split"]}
    assert {key[1] for key, difference in of_2015.items() if difference} == {"ORG", "MISC", "total"}
    test = {row["count"]: row["ours"] for row in rows if row["split"] == "twitter2015/test"}
    # the supports that the authors' own log of TWITTER-2015 prints
    assert [test[label] for label in ("LOC", "MISC", "ORG", "PER", "total")] == [1720, 754, 860, 1873, 5207]


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "least"), [("twitter2017", 0.995), ("twitter2015", 0.99)])
def test_our_tokens_are_those_of_the_data_sets(shared_data, name, least):
    (row,) = stats.tokenisation_rows(stats.read_files(shared_data / name / "valid.txt"))
    assert row["style"] == name
    assert row["token_f1"] > least
    assert row["entities_on_borders"] > 0.999
