"""Uploads: the good rows go in and all others are told of; errors, stops and kills leave nothing half."""

from __future__ import annotations

import csv
import io
import json
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from umt_core.__main__ import main
from umt_core.corrections.database import file_url
from umt_core.corrections.events import BadEditError, Edit, TweetKey
from umt_core.corrections.store import Store
from umt_core.data.archive import zip_pictures
from umt_core.data.datasets import data_sets, own_folder
from umt_core.data.images import ImageIndex, content_hash
from umt_core.data.own import MY_TWEETS, read_own
from umt_core.data.stats import data_set_rows
from umt_core.errors import DataError
from umt_core.schema import MOST_WORDS, Span
from umt_core.upload import LONGEST_ID, OK, REFUSED, WARNING, upload

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("UMT_DATA", raising=False)
    return tmp_path / "home"


def picture(seed: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (seed % 256, seed // 256, 50)).save(stream, "PNG")
    return stream.getvalue()


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return stream


def take(folder: Path, text: str, files: dict[str, bytes] | None = None, *, name: str = "in.csv", **options):
    """The report of an upload into the set ``trip``."""
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return upload("trip", folder / name, None if files is None else zip_pictures(zipped(files)), **options)


def told(report) -> list[tuple[str, str, str]]:
    return [(row.line, row.id, row.outcome) for row in report.rows]


def nothing_left() -> bool:
    return not [path for path in own_folder().iterdir() if path.name != ".lock"]


# --- forms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_of_texts_becomes_a_set_with_its_pictures(tmp_path, delimiter):
    rows = [["Tweet_ID", "Tweet", "Picture"], ["1", "rain over Oslo", "a.png"], ["2", "two\nlines, here", ""]]
    text = "\ufeff" + "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    report = take(tmp_path, text, {"deep/a.png": picture(1), "b.png": picture(2)})
    assert told(report) == [("2", "1", OK), ("3", "2", OK)]
    first, second = read_own("trip")
    assert (first.tokens, first.image) == (("rain", "over", "Oslo"), content_hash(picture(1)))
    assert (second.text, second.image, second.spans) == ("two\nlines, here", None, None)
    path = ImageIndex.open(data_sets()[-1].images()).path(first.image)
    assert path.read_bytes() == picture(1)
    (row,) = data_set_rows(data_sets()[-1])
    assert (row["name"], row["tweets"], row["labelled"], row["pictures"]) == ("trip/tweets", 2, 0, 1)


@pytest.mark.parametrize("labels", ['"entities": []', '"tags": ["O", "B-LOC"]', '"ner_tags": [0, 3]'])
def test_labels_of_json_lines_under_another_name_are_not_taken_for_none(tmp_path, labels):
    lines = '{"id": "1", "tokens": ["in", "Oslo"], ' + labels + '}\n{"id": "2", "tokens": ["in", "Rome"]}\n'
    report = take(tmp_path, lines, name="in.jsonl")
    assert told(report) == [("1", "", REFUSED), ("2", "2", OK)]
    assert 'wanted labels as "spans"' in report.rows[0].reason


def test_a_picture_of_the_same_name_elsewhere_is_another_tweets(tmp_path):
    table = "id,text,image\n1,rain over Oslo,train/1.png\n2,sun over Rome,test/1.png\n"
    report = take(tmp_path, table, {"all/train/1.png": picture(1)})
    assert [row.outcome for row in report.rows] == [OK, WARNING]
    first, second = read_own("trip")
    assert (first.image, second.image) == (content_hash(picture(1)), None)


def test_labels_come_as_tags_as_spans_or_as_rows(tmp_path):
    assert told(take(tmp_path, "id,tokens,tags\n1,in Oslo,O B-LOC\n2,in Oslo,\n", name="a.csv")) == [
        ("2", "1", OK),
        ("3", "2", WARNING),  # the same words
    ]
    spans = json.dumps([{"start_char": 3, "end_char": 7, "label": "LOC"}]).replace('"', '""')
    assert told(take(tmp_path, f'id,text,spans\n3,in Rome,"{spans}"\n4,no one,[]\n', name="b.csv"))[0] == ("2", "3", OK)
    take(tmp_path, "id,text,start,end,label\n5,Ann in Oslo,0,1,PER\n5,Ann in Oslo,2,3,LOC\n6,none,,,O\n", name="c.csv")
    take(
        tmp_path,
        '{"id": "7", "text": "in Lima", "spans": [{"start": 1, "end": 2, "label": "OTHER"}]}\n',
        name="d.jsonl",
    )
    take(tmp_path, "IMGID:8\nBob\tB-PER\n\nIMGID:9\nx\tO\n", name="e.txt")
    assert {e.id: e.spans for e in read_own("trip")} == {
        "1": (Span(1, 2, "LOC"),),
        "2": None,
        "3": (Span(1, 2, "LOC"),),
        "4": (),
        "5": (Span(0, 1, "PER"), Span(2, 3, "LOC")),
        "6": (),
        "7": (Span(1, 2, "MISC"),),
        "8": (Span(0, 1, "PER"),),
        "9": (),
    }


def test_a_picture_is_also_found_by_the_tweets_id(tmp_path):
    report = take(tmp_path, "id,text\n7,one\n8,two\n", {"pics/7.png": picture()})
    assert told(report) == [("2", "7", OK), ("3", "8", OK)]
    assert [example.image for example in read_own("trip")] == [content_hash(picture()), None]


def test_a_tweet_without_an_id_has_one_of_its_own_that_stays(tmp_path):
    (first,) = take(tmp_path, "text\nin Oslo\n").rows
    again = take(tmp_path, "text\nnew\nin Oslo\nnew\n")
    assert first.id.startswith("t-")
    assert [(row.outcome, row.reason) for row in again.rows] == [
        (OK, ""),
        (REFUSED, "the data set has this tweet already"),
        (REFUSED, "it has the same words and picture as line 2, and no id of its own"),
    ]
    assert again.rows[1].id == first.id


def label_studio(*texts: str) -> bytes:
    return json.dumps([{"data": {"text": text}} for text in texts]).encode()


def docbin(*texts: str) -> bytes:
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import Doc, DocBin

    vocab = spacy.blank("xx").vocab
    return DocBin(store_user_data=True, docs=[Doc(vocab, text.split()) for text in texts]).to_bytes()


def parquet(*texts: str) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(pa.table({"tokens": [text.split() for text in texts]}), stream)
    return stream.getvalue()


def lines(*texts: str) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def conll(*texts: str) -> bytes:
    return "\n\n".join("\n".join(f"{word}\tO" for word in text.split()) for text in texts).encode()


@pytest.mark.parametrize(
    ("name", "written"),
    [("a.json", label_studio), ("a.spacy", docbin), ("a.parquet", parquet), ("a.jsonl", lines), ("a.txt", conll)],
)
def test_in_every_form_a_second_file_of_tweets_without_ids_adds_its_own(tmp_path, name, written):
    for texts in (("rain here", "sun there"), ("fog here", "snow there")):
        (tmp_path / name).write_bytes(written(*texts))
        report = upload("trip", tmp_path / name)
        assert [row.outcome for row in report.rows] == [OK, OK]
    ids = [example.id for example in read_own("trip")]
    assert len(set(ids)) == 4
    assert all(identity.startswith("t-") for identity in ids)


def test_an_id_that_reads_like_a_place_in_the_file_is_one(tmp_path):
    take(tmp_path, "id,text\nline-2,rain here\n")
    take(tmp_path, '{"id": "line-1", "text": "sun there"}\n', name="in.jsonl")
    assert [example.id for example in read_own("trip")] == ["line-2", "line-1"]


# --- bad rows ------------------------------------------------------------------------------------


def test_bad_rows_are_told_of_and_the_good_ones_stay(tmp_path):
    text = (
        "id,text,image,start,end,label\n"
        "1,fine,a.png,,,\n"
        "2,missing picture,gone.png,,,\n"
        "3,no picture,text.png,,,\n"
        "1,id again,,,,\n"
        "4,,,,,\n"
        "5,in Oslo,,1,2,CITY\n"
        "6,in Oslo,,1,9,LOC\n"
        "7,in Oslo,,one,2,LOC\n"
        "8,a,b,c,d,e,f\n"
        f"{'x' * (LONGEST_ID + 1)},long id,,,,\n"
        "ev\u202eil,hidden,,,,\n"
        f"9,{'word ' * (MOST_WORDS + 1)},,,,\n"
        '10,"a quote left open,,,,\n'
    )
    report = take(tmp_path, text, {"a.png": picture(), "text.png": b"no picture"})
    assert [(row.line, row.outcome) for row in report.rows] == [
        ("2", OK),
        ("3", WARNING),
        ("4", WARNING),
        *((str(line), REFUSED) for line in range(5, 15)),
    ]
    reasons = {row.line: row.reason for row in report.rows}
    for line, said in (
        ("3", "kept without a picture: none is called 'gone.png'"),
        ("4", "kept without a picture: text.png: wanted a JPEG, PNG, WEBP or GIF picture, got text"),
        ("5", "wanted an id of its own for each tweet, got '1' again (first in line 2)"),
        ("6", "nothing but white space"),
        ("7", "wanted a label of PER, LOC, ORG, MISC, got 'CITY'"),
        ("8", "lies outside the tweet's 2"),
        ("9", "wanted a whole number as start, got 'one'"),
        ("10", "wanted 6 columns as in the first line, got 7"),
        ("11", f"wanted an id of at most {LONGEST_ID} characters, got {LONGEST_ID + 1}"),
        ("12", "wanted an id without control characters"),
        ("13", f"got {MOST_WORDS + 1:,} words; is a quotation mark left open?"),
    ):
        assert said in reasons[line]
    assert "wanted a row of CSV, got: unexpected end of data" in reasons["14"]
    assert all("\n" not in reason for reason in reasons.values())
    assert [example.id for example in read_own("trip")] == ["1", "2", "3"]
    assert report.line == "trip: 3 of 13 tweets added, 2 of them with a warning; 10 refused"


def test_labels_out_of_order_are_refused_or_repaired_as_one_likes(tmp_path):
    text = "IMGID:1\nin\tO\nOslo\tI-LOC\n\nIMGID:2\nRed\tB-THING\n\nIMGID:3\nok\tO\n"
    refused = take(tmp_path, text, name="in.txt")
    assert told(refused) == [("1", "", REFUSED), ("5", "", REFUSED), ("8", "3", OK)]
    assert "I-LOC continues nothing" in refused.rows[0].reason
    mended = take(tmp_path, text.replace("IMGID:3", "IMGID:4"), name="in.txt", bio="repair")
    assert told(mended)[:2] == [("1", "1", WARNING), ("5", "2", WARNING)]
    assert [e.spans for e in read_own("trip")] == [(), (Span(1, 2, "LOC"),), (), ()]


def test_an_id_that_the_set_has_is_refused_and_the_same_tweet_is_told_of(tmp_path):
    take(tmp_path, "id,text,image\n1,rain,a\n", {"a.png": picture()})
    again = take(tmp_path, "id,text,image\n1,other,\n2,rain,a\n3,rain,\n", {"a.png": picture()})
    assert [(row.id, row.outcome, row.reason) for row in again.rows] == [
        ("1", REFUSED, "wanted an id of its own, got '1', which a tweet of the data set has"),
        ("2", WARNING, "it has the same words and picture as '1'"),
        ("3", OK, ""),
    ]


def test_hostile_archives_cost_a_warning_and_no_file_outside(tmp_path):
    files = {"../a.png": picture(), "bomb.png": bytes(150_000_000), "c.png": picture(3), "inner.zip": b"PK"}
    report = take(tmp_path, "id,text,image\n1,one,../a.png\n2,two,bomb.png\n3,three,c.png\n", files)
    assert [row.outcome for row in report.rows] == [WARNING, WARNING, OK]
    assert "a bomb" in report.rows[1].reason
    assert [note.partition(":")[0] for note in report.notes] == ["../a.png", "inner.zip"] or len(report.notes) == 2
    inside = {path.relative_to(own_folder()).as_posix() for path in own_folder().rglob("*") if path.is_file()}
    assert inside == {".lock", "trip/tweets.jsonl", "trip/images.tsv", f"trip/images/{content_hash(picture(3))}.png"}
    assert not (tmp_path / "a.png").exists()


def test_without_pictures_one_line_says_that_there_are_none(tmp_path):
    report = take(tmp_path, "id,text,image\n1,one,a.png\n2,two,b.png\n")
    assert [row.outcome for row in report.rows] == [OK, OK]
    assert report.notes == ("No pictures were given: all tweets are kept without one.",)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("in.csv", b"", "wanted a line of column names"),
        ("in.csv", b"a,b\n1,2\n", "wanted a line of column names, with text or tokens"),
        ("in.csv", b"text,Tweet\na,b\n", "wanted each column once, got text again"),
        ("in.csv", "text\nÅland\n".encode("latin-1"), "in.csv:2: wanted UTF-8, got byte 0xc5"),
        ("in.xlsx", b"PK", "wanted a form"),
        ("in.csv", b"text\na\n" * 9, "wanted a table of at most 20 bytes, got 63"),
    ],
)
def test_a_table_that_is_none_is_told_of_in_one_line_and_makes_no_set(tmp_path, monkeypatch, name, data, said):
    monkeypatch.setattr("umt_core.upload.MOST_BYTES", 20)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=said) as error:
        upload("trip", tmp_path / name)
    assert "\n" not in str(error.value)
    assert [found.name for found in data_sets()] == ["sample_data"]


def test_more_rows_than_we_take_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("umt_core.upload.MOST_ROWS", 3)
    with pytest.raises(DataError, match="wanted a table of at most 3 tweets, got more"):
        take(tmp_path, "text\n" + "".join(f"tweet {i}\n" for i in range(4)))


def test_no_good_row_makes_no_set(tmp_path):
    assert take(tmp_path, "id,text\n1,\n").count(REFUSED) == 1
    assert nothing_left()


def test_the_report_holds_every_row_and_no_formula(tmp_path):
    report = take(tmp_path, 'id,text\n=1+1,one\n-2,\n@x,three\n"\t=cmd",four\n')
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert [row["line"] for row in rows] == ["2", "3", "4", "5"]
    assert [row["outcome"] for row in rows] == [OK, REFUSED, OK, REFUSED]
    assert not [value for row in rows for value in row.values() if value.lstrip()[:1] in tuple("=+-@\t")]
    assert rows[0]["id"] == "'=1+1"


@pytest.mark.parametrize(
    "identity", ["a\xa0b", "a\u3000b", "a\u2003b", "a\u202fb", "a\u200bb", "a\ue000b", "x" * (LONGEST_ID + 1)]
)
def test_an_id_that_the_store_of_corrections_cannot_take_is_refused(tmp_path, identity):
    with Store(file_url(tmp_path / "corrections.sqlite")) as store, pytest.raises(BadEditError):
        store.append(Edit(TweetKey("trip/tweets", identity), "skip", "ann", (), (), 0))
    lines = [json.dumps({"id": name, "text": "rain over Oslo"}) for name in (identity, "a b", "x" * LONGEST_ID)]
    report = take(tmp_path, "\n".join(lines), name="in.jsonl")
    assert [row.outcome for row in report.rows] == [REFUSED, OK, WARNING]  # of one text are the good ones


# --- many rows, stops and kills ------------------------------------------------------------------


def test_five_thousand_rows_with_pictures_go_in(tmp_path):
    rng = random.Random(0)
    rows = "".join(f"{i},{rng.random()} in Oslo {i},{i % 40}.png\n" for i in range(5_000))
    seen = []
    report = take(
        tmp_path,
        f"id,text,image\n{rows}",
        {f"{i}.png": picture(i) for i in range(40)},
        progress=lambda what, done, total: seen.append((what, done, total)),
    )
    assert report.count(OK) == 5_000
    found = read_own("trip")
    assert [example.id for example in found] == [str(i) for i in range(5_000)]
    assert len({example.image for example in found}) == 40
    checking = [done for what, done, total in seen if total == 5_000 and what.startswith("checking")]
    assert checking == list(range(5_000))
    assert list(dict.fromkeys(what for what, *_ in seen)) == [
        "reading the table",
        "checking tweets and pictures",
        "adding",
    ]


def test_a_stop_at_any_time_leaves_nothing(tmp_path):
    class Stop(Exception):
        pass

    for moment in (0, 1, 2, 3):

        def stop(what, done, total, moment=moment):
            if done >= moment:
                raise Stop

        with pytest.raises(Stop):
            take(
                tmp_path,
                "id,text,image\n" + "".join(f"{i},x {i},a\n" for i in range(3)),
                {"a.png": picture()},
                progress=stop,
            )
        assert nothing_left()


_UPLOADER = """
import sys
from pathlib import Path
from umt_core.data.archive import open_pictures
from umt_core.upload import upload
print("ready", flush=True)
with open_pictures(Path(sys.argv[3])) as pictures:
    print(upload(sys.argv[1], Path(sys.argv[2]), pictures).line, flush=True)
"""


def test_a_kill_leaves_a_set_as_it_was_or_with_all_of_the_upload(tmp_path):
    (tmp_path / "pics.zip").write_bytes(zipped({f"{i}.png": picture(i) for i in range(60)}).getvalue())
    take(tmp_path, "id,text\nfirst,was here\n")
    rng, states = random.Random(1), set()
    for attempt in range(14):
        rows = "".join(f"{attempt}-{i},tweet {attempt} {i},{i}.png\n" for i in range(60))
        (tmp_path / "in.csv").write_text(f"id,text,image\n{rows}")
        before = len(read_own("trip"))
        command = [sys.executable, "-c", _UPLOADER, "trip", str(tmp_path / "in.csv"), str(tmp_path / "pics.zip")]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(rng.random() * 0.6)
        process.send_signal(signal.SIGKILL)
        said = process.communicate()[0]
        added = len(read_own("trip")) - before
        assert added in ((60,) if said.endswith("\n") else (0, 60))
        states.add(added)
    index = ImageIndex.open(data_sets()[-1].images()) if len(read_own("trip")) > 1 else None
    assert all(index.path(example.image) for example in read_own("trip")[1:])
    take(tmp_path, "id,text\nlast,in the end\n")
    assert not list(own_folder().glob(".adding*"))
    assert 0 in states


# --- any table at all ----------------------------------------------------------------------------

CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=6), st.sampled_from(",;\t|"))
def test_what_python_writes_as_csv_is_read_back_cell_by_cell(tmp_path_factory, rows, delimiter):
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerows([("id", "text"), *rows])
    path = tmp_path_factory.mktemp("any") / "in.csv"
    path.write_text(stream.getvalue(), encoding="utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_HOME", str(path.parent / "home"))
        report = upload("trip", path)
        found = {example.id: example for example in read_own("trip")}
    texts = {text for _, text in rows} | {text[1:] for _, text in rows}  # an apostrophe before a formula is taken off
    assert len(found) == report.count(OK, WARNING)
    assert all((example.text or " ".join(example.tokens)) in texts for example in found.values())
    assert len(report.rows) <= len(rows)
    names = [identity for identity, text in rows if identity and text.strip()]
    sound = [n for n in names if names.count(n) == 1 and n.isalnum() and n.isascii()]
    assert all(identity in found for identity in sound)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["csv", "jsonl", "txt"]))
def test_bytes_of_any_kind_raise_nothing_but_ours(tmp_path_factory, data, suffix):
    path = tmp_path_factory.mktemp("any") / f"in.{suffix}"
    path.write_bytes((b"text,id\n" if suffix == "csv" else b"") + data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_HOME", str(path.parent / "home"))
        try:
            added = upload("trip", path).count(OK, WARNING)
        except DataError:
            added = 0
        assert len(read_own("trip")) == added


# --- by command line -----------------------------------------------------------------------------


def test_the_commands_add_list_and_remove(tmp_path, capsys):
    (tmp_path / "in.csv").write_text("id,text,image\n1,rain,a.png\n2,,\n3,sun,gone.png\n")
    (tmp_path / "pics.zip").write_bytes(zipped({"a.png": picture()}).getvalue())
    command = ["data", "add", "trip", "--input", str(tmp_path / "in.csv"), "--images", str(tmp_path / "pics.zip")]
    assert main([*command, "--report", str(tmp_path / "out" / "report.csv")]) == 0
    said = capsys.readouterr()
    assert "trip: 2 of 3 tweets added, 1 of them with a warning; 1 refused" in said.out
    assert "in.csv:3: refused: wanted" in said.err
    assert (tmp_path / "out" / "report.csv").read_text().count("\n") == 4
    assert main(["data", "list"]) == 0
    assert "trip/tweets" in capsys.readouterr().out
    assert main(["data", "remove", "trip"]) == 0
    assert "trip: moved to" in capsys.readouterr().out
    assert main(["data", "remove", "trip"]) == 2
    assert "wanted one of your own data sets (none), got 'trip'" in capsys.readouterr().err


def test_my_tweets_can_be_uploaded_to_too(tmp_path):
    (tmp_path / "in.csv").write_text("text\nrain\n")
    assert upload(MY_TWEETS, tmp_path / "in.csv").count(OK) == 1
