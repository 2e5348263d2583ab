"""What we write is read by the tools themselves: by their own library, or by their specification where none is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest

from umt_core.corrections.exchange import read_tweets, write_tweets
from umt_core.corrections.exchange.label_studio import INTERFACE
from umt_core.schema import Example, Span

TWEETS = [
    Example("1", ("👨‍👩‍👧", "Ann", "Lee", "in", "Oslo", "🇳🇴"), "1", (Span(1, 3, "PER"), Span(4, 5, "LOC"))),
    Example("a/b c", ("Cafe\u0301", "שלום", "at", "🎉", "Roxy", "Hall"), None, (Span(0, 1, "ORG"), Span(4, 6, "LOC"))),
    Example("none", ("no", "entity", "here"), None, ()),
    Example("later", ("not", "looked", "at"), None, None),
    Example(
        "typed",
        ("🎉🎉", "@", "Ann", ":", "see", "New", "York", "!"),
        "p.jpg",
        (Span(2, 3, "PER"), Span(5, 7, "LOC")),
        text="🎉🎉 @Ann: see  New\u2028York!",
        offsets=((0, 2), (3, 4), (4, 7), (7, 8), (9, 12), (14, 17), (18, 22), (22, 23)),
    ),
]


def expected(example: Example) -> list[tuple[str, str]]:
    """Each entity's words and type, by the tokens alone."""
    return [("".join(example.tokens[s.start : s.end]), s.label) for s in example.spans or ()]


def bare(text: str) -> str:
    return "".join(text.split())


def test_datasets_loads_the_folder_with_named_tags(tmp_path):
    import datasets

    write_tweets(tmp_path / "out", TWEETS, "hf", split="valid")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["validation"]
    rows = loaded["validation"]
    names = rows.features["ner_tags"].feature.names
    assert names == ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-MISC", "I-MISC"]
    assert rows["id"][:] == [e.id for e in TWEETS]
    for row, example in zip(rows, TWEETS, strict=True):
        assert row["tokens"] == list(example.tokens)
        assert (row["image"], row["text"]) == (example.image, example.text)
        if example.spans is None:
            assert row["ner_tags"] is None
            continue
        tags = ["O"] * len(example.tokens)
        for span in example.spans:
            tags[span.start : span.end] = [f"I-{span.label}"] * (span.end - span.start)
            tags[span.start] = f"B-{span.label}"
        assert [names[tag] for tag in row["ner_tags"]] == tags


def test_what_datasets_itself_writes_is_read(tmp_path):
    import datasets

    features = datasets.Features(
        {
            "id": datasets.Value("int64"),
            "tokens": datasets.List(datasets.Value("string")),
            "ner_tags": datasets.List(datasets.ClassLabel(names=["O", "B-LOC", "I-LOC", "B-PER"])),
        }
    )
    rows = {"id": [7, 8], "tokens": [["in", "New", "Oz"], ["Ann"]], "ner_tags": [[0, 1, 2], [3]]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "d.parquet"))
    assert read_tweets(tmp_path / "d.parquet", "hf") == [
        Example("7", ("in", "New", "Oz"), None, (Span(1, 3, "LOC"),)),
        Example("8", ("Ann",), None, (Span(0, 1, "PER"),)),
    ]


def test_spacy_reads_the_entities_and_tells_unlabelled_tweets(tmp_path):
    import spacy
    from spacy.tokens import DocBin

    write_tweets(tmp_path / "out.spacy", TWEETS, "spacy")
    docs = list(DocBin().from_disk(tmp_path / "out.spacy").get_docs(spacy.blank("en").vocab))
    for doc, example in zip(docs, TWEETS, strict=True):
        assert tuple(token.text for token in doc) == example.tokens
        assert [(bare(ent.text), ent.label_) for ent in doc.ents] == expected(example)
        assert doc.has_annotation("ENT_IOB") == (example.spans is not None)
    assert docs[0].text == " ".join(TWEETS[0].tokens)


def test_what_spacy_itself_writes_is_read(tmp_path):
    import spacy
    from spacy.tokens import DocBin

    doc = spacy.blank("en")("Ann's in New York, 🎉")
    doc.set_ents([doc.char_span(0, 3, label="PERSON"), doc.char_span(9, 17, label="GPE")])
    DocBin(docs=[doc]).to_disk(tmp_path / "d.spacy")
    with pytest.raises(Exception, match="got 'PERSON'"):
        read_tweets(tmp_path / "d.spacy")


_LABEL_STUDIO = """
import json, sys
from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.utils import create_tokens_and_tags
from label_studio_sdk.label_interface import LabelInterface

path, config, folder = sys.argv[1:]
interface = LabelInterface(config)
interface.validate()
tasks = json.load(open(path, encoding="utf-8"))
for task in tasks:
    assert interface.validate_task({"data": task["data"]}), task
    for annotation in task.get("annotations", []):
        assert interface.validate_annotation(annotation), annotation
with open(path, "w", encoding="utf-8") as file:  # as on import each task gets a number
    json.dump([{"id": i, "annotations": [], **task} for i, task in enumerate(tasks)], file)
converter = Converter(config, folder, download_resources=False)
found = []
for item in converter.iter_from_json_file(path):
    spans = [span for spans in item["output"].values() for span in spans]
    tokens, tags = create_tokens_and_tags(item["input"]["text"], sorted(spans, key=lambda s: s["start"]))
    said = [(item["input"]["text"][s["start"] : s["end"]], s["labels"][0]) for s in spans]
    found.append([item["input"]["id"], said, list(zip(tokens, tags))])
print(json.dumps(found))
"""


def test_label_studio_reads_the_entities(tmp_path):
    python = os.environ.get("UMT_LABEL_STUDIO_PYTHON")
    if not python:
        pytest.skip("UMT_LABEL_STUDIO_PYTHON names no Python with label-studio-sdk, which needs an older NumPy than we")
    path = tmp_path / "tasks.json"
    write_tweets(path, TWEETS, "label-studio")
    done = subprocess.run(
        [python, "-c", _LABEL_STUDIO, str(path), INTERFACE, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = {name: (said, words) for name, said, words in json.loads(done.stdout)}
    for example in TWEETS:
        said, words = found[example.id]
        assert [(bare(text), label) for text, label in said] == expected(example)
        tagged = {word: tag for word, tag in words if tag != "O"}
        first_words = {example.tokens[s.start]: f"B-{s.label}" for s in example.spans or ()}
        assert tagged.items() >= first_words.items()


def as_exported(**annotation: object) -> dict[str, object]:
    """A task as Label Studio exports one, with all that it adds."""
    return {
        "id": 31,
        "annotations": [
            {"id": 4, "completed_by": 1, "was_cancelled": False, "ground_truth": False, "lead_time": 3.2, **annotation}
        ],
        "file_upload": "1-tasks.json",
        "drafts": [],
        "predictions": [],
        "data": {"text": "🎉 Ann in Oslo", "id": "t1"},
        "meta": {},
        "project": 2,
    }


def entity(start: int, end: int, text: str, *labels: str) -> dict[str, object]:
    value = {"start": start, "end": end, "text": text, "labels": list(labels)}
    return {"value": value, "id": "x", "from_name": "label", "to_name": "text", "type": "labels", "origin": "manual"}


@pytest.mark.parametrize("shift", [0, 1], ids=["code points", "UTF-16 units, as versions of 2021 counted"])
def test_an_export_of_label_studio_is_read_after_an_emoji(tmp_path, shift):
    result = [entity(2 + shift, 5 + shift, "Ann", "PER"), entity(9 + shift, 13 + shift, "Oslo", "LOC")]
    (tmp_path / "e.json").write_text(json.dumps([as_exported(result=result)]), encoding="utf-8")
    (tweet,) = read_tweets(tmp_path / "e.json")
    assert tweet.spans == (Span(1, 2, "PER"), Span(3, 4, "LOC"))


def test_a_task_that_was_skipped_in_label_studio_is_not_labelled(tmp_path):
    (tmp_path / "e.json").write_text(json.dumps([as_exported(result=[], was_cancelled=True)]), encoding="utf-8")
    assert read_tweets(tmp_path / "e.json")[0].spans is None


def standoff(text: str, annotations: str) -> list[tuple[str, str]]:
    """Entities of a pair of files, by brat's specification of text-bound annotations and no code of ours.

    "T1<TAB>Type start end[;start end]…<TAB>text": offsets count characters from 0, the end is exclusive, the text of
    pieces is joined by a space, and must be what stands there. Lines end as Python's ``codecs`` reader has it.
    """
    found = []
    for number, line in enumerate(annotations.splitlines(), 1):
        identity, where, said = line.split("\t")
        label, _, places = where.partition(" ")
        assert identity == f"T{number}"
        assert re.fullmatch(r"\d+ \d+(;\d+ \d+)*", places)
        pieces = [text[int(a) : int(b)] for a, b in (place.split() for place in places.split(";"))]
        assert " ".join(pieces) == said
        found.append((bare(said), label))
    return found


@pytest.mark.parametrize("place", ["out", "out.zip"])
def test_brat_files_say_what_the_specification_reads(tmp_path, place):
    write_tweets(tmp_path / place, TWEETS, "brat")
    folder = tmp_path / "out"
    if place.endswith(".zip"):
        with zipfile.ZipFile(tmp_path / place) as archive:
            archive.extractall(folder)
    files = {unquote(path.stem): path for path in folder.glob("*.txt")}
    assert files.keys() == {e.id for e in TWEETS}
    for example in TWEETS:
        path = files[example.id]
        text, annotations = (path.with_suffix(end).read_bytes().decode() for end in (".txt", ".ann"))
        assert bare("".join(example.tokens)) in bare(text)
        assert standoff(text, annotations) == expected(example)


def test_a_folder_that_brat_made_is_read(tmp_path):
    texts = {"news/7": "🎉 Ann Lee\nsings in New\nYork", "8": "nobody"}
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    (tmp_path / "8.ann").write_text("")
    (tmp_path / "news" / "7.ann").write_text(
        "T1\tPER 2 9\tAnn Lee\nA1\tCertain T1\n#1\tAnnotatorNotes T1\tsure?\nT2\tLOC 19 22;23 27\tNew York\n"
        "R1\tAt Arg1:T1 Arg2:T2\n*\tEquiv T1 T1\n",
        encoding="utf-8",
    )
    found = {tweet.id: tweet for tweet in read_tweets(tmp_path, "brat")}
    assert found["8"].spans == ()
    assert [s.text(found["news/7"].tokens) for s in found["news/7"].spans or ()] == ["Ann Lee", "New York"]


def test_every_form_is_one_that_a_reader_of_ours_finds_by_its_name(tmp_path: Path):
    names = {"x.txt": "conll", "x.csv": "csv", "x.spacy": "spacy", "x.json": "label-studio", "x.zip": "brat"}
    labelled = [e for e in TWEETS if e.spans is not None]
    for name, form in names.items():
        write_tweets(tmp_path / name, labelled)
        assert [e.spans for e in read_tweets(tmp_path / name)] == [e.spans for e in read_tweets(tmp_path / name, form)]
