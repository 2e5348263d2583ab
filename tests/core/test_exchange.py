"""Exchange with other tools: what is written in a form is read back as it was, by us and by the other's library."""

from __future__ import annotations

import csv
import dataclasses
import os
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umt_core.corrections.events import Labels
from umt_core.corrections.exchange import FORMS, Problem, corrected, read_rows, read_tweets, write_tweets
from umt_core.corrections.exchange.folders import MARK
from umt_core.corrections.exchange.rows import joined
from umt_core.errors import DataError
from umt_core.labels import LABELS
from umt_core.schema import Example, Span

# What offsets and line readers stumble over: an emoji of several code points, a combining mark, right-to-left text and
# its marks, no width, separators that str.splitlines breaks at, quotes, markup, what a spreadsheet runs.
ODD = [
    "👨‍👩‍👧",
    "e\u0301",
    "שלום",
    "\u200fعربى\u200e",
    "a\u200bb",
    "x\u2028y",
    "\u0085",
    "🇳🇴",
    '"q"',
    "<b>",
    "=1+1",
    "'=1",
    ";",
    "-",
]
TOKEN = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
CONLL_TOKEN = TOKEN.filter(lambda token: not set(token) & set("\t\r\n"))  # its lines and columns end at these


@st.composite
def tweets(draw: st.DrawFn, *, conll: bool = False) -> list[Example]:
    """A few tweets with spans that do not overlap, some of them typed as text with odd gaps."""
    found = []
    for i in range(draw(st.integers(1, 4))):
        tokens = tuple(draw(st.lists(CONLL_TOKEN if conll else TOKEN, min_size=1, max_size=7)))
        cuts = sorted(draw(st.sets(st.integers(0, len(tokens)), max_size=6)))
        pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
        spans = tuple(Span(a, b, draw(st.sampled_from(LABELS))) for a, b in pairs)
        image = draw(st.sampled_from([None, f"{i}", "pic/a b.jpg"]))
        example = Example(f"t{i}é", tokens, image, spans)
        if not conll and draw(st.booleans()):
            example = dataclasses.replace(example, spans=None)
        found.append(example)
    return found


@st.composite
def typed(draw: st.DrawFn) -> list[Example]:
    """Tweets that were typed: words with gaps of more than a space, or none, between them."""
    found = []
    for example in draw(tweets(conll=True)):
        words = [token for token in (t.strip() for t in example.tokens) if token] or ["w"]
        gaps = draw(
            st.lists(
                st.sampled_from(["", " ", "  ", "\n", "\u2028", " \u3000"]), min_size=len(words), max_size=len(words)
            )
        )
        text, offsets = "", []
        for word, gap in zip(words, gaps, strict=True):
            offsets.append((len(text), len(text) + len(word)))
            text += word + gap
        spans = tuple(s for s in example.spans or () if s.end <= len(words))
        found.append(Example(example.id, tuple(words), example.image, spans, text=text, offsets=tuple(offsets)))
    return found


def as_read(example: Example, form: str) -> Example:
    """What a form may lose: CoNLL has one name for tweet and picture, and raw text may say no more than its tokens."""
    if form == "conll":
        return dataclasses.replace(example, image=example.id, text=None, offsets=None)
    if form != "jsonl" and example.text == joined(example.tokens).text:
        return dataclasses.replace(example, text=None, offsets=None)
    return example


def without_tags(found: list[Example]) -> list[Example]:
    return [dataclasses.replace(example, tags=None) for example in found]


EVERY_FORM = pytest.mark.parametrize("form", FORMS)
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)


def place(tmp_path, form: str):
    return tmp_path / ("tweets" if FORMS[form].folder else f"tweets{FORMS[form].suffixes[0]}")


@EVERY_FORM
@MANY
@given(data=st.data())
def test_what_is_written_is_read_back_as_it_was(tmp_path, form, data):
    examples = data.draw(tweets(conll=form == "conll"))
    write_tweets(place(tmp_path, form), examples, form)
    assert without_tags(read_tweets(place(tmp_path, form), form)) == [as_read(e, form) for e in examples]


@pytest.mark.parametrize("form", [form for form in FORMS if form != "conll"])
def test_an_entity_that_begins_and_ends_with_white_space_keeps_its_tokens(tmp_path, form):
    tokens = ("\u0085", "\n", "Ann", "\t", "\u2028", "\u3000")
    spans = [(Span(a, b, "PER"),) for a in range(6) for b in range(a + 1, 7)]
    examples = [Example(str(i), tokens, None, found) for i, found in enumerate(spans)]
    write_tweets(place(tmp_path, form), examples, form)
    assert read_tweets(place(tmp_path, form), form) == examples


@EVERY_FORM
@MANY
@given(data=st.data())
def test_typed_text_is_read_back_with_its_gaps(tmp_path, form, data):
    examples = [e for e in data.draw(typed()) if form != "conll" or e.spans is not None]
    write_tweets(place(tmp_path, form), examples, form)
    assert without_tags(read_tweets(place(tmp_path, form), form)) == [as_read(e, form) for e in examples]


def test_corrected_tweets_have_the_new_labels_and_the_others_their_own():
    own = (Span(0, 1, "PER"),)
    a, b, c = (Example(name, ("Ann", "Lee"), spans=own, tags=("I-PER", "O")) for name in "abc")
    labels = {"a": Labels((Span(0, 2, "PER"),), 3), "b": Labels(own, 4), "c": Labels(None, 5, skipped=True)}
    found = corrected([a, b, c], labels)
    assert (found[0].spans, found[0].tags) == ((Span(0, 2, "PER"),), None)
    assert found[1:] == [b, c]
    assert corrected([a], {"a": Labels((Span(0, 2, "PER"),), 6, skipped=True)}) == [a]  # as training has it


def test_labels_of_another_data_set_are_refused():
    with pytest.raises(DataError, match=r"'a'.*outside.*another data set"):
        corrected([Example("a", ("Ann",), spans=())], {"a": Labels((Span(0, 2, "PER"),), 1)})


# --- rows that are not in order ------------------------------------------------------------------


def rows_of(tmp_path, name: str, text: str, form: str | None = None, **options):
    (tmp_path / name).write_bytes(text.encode())
    rows = list(read_rows(tmp_path / name, form, **options))
    problems = [
        (row.where.removeprefix(f"{tmp_path}/"), row.line, row.mended) for row in rows if isinstance(row, Problem)
    ]
    return {row.id: row for row in rows if isinstance(row, Example)}, problems


BROKEN_CONLL = """IMGID:1
Ann\tI-PER
Lee\tI-LOC

IMGID:2
x\tB-GPE
y\tB-PRODUCT

IMGID:
z\tO

IMGID:3
ok\tO
no tag

IMGID:4
ok\tO

IMGID:4
ok\tO
"""


def test_a_broken_row_costs_one_tweet_and_is_named_by_its_line(tmp_path):
    tweets, problems = rows_of(tmp_path, "a.txt", BROKEN_CONLL)
    assert list(tweets) == ["4"]
    assert [where for where, _, _ in problems] == [f"a.txt:{n}" for n in (1, 1, 5, 5, 9, 14, 19)]
    assert not any(mended for _, _, mended in problems)
    lines = [line for _, line, _ in problems]
    assert lines[0] == "token 1 'Ann': I-PER continues nothing; repair: B-"
    assert lines[1] == "token 2 'Lee': I-LOC continues B-PER; repair: B-"
    assert "got 'B-PRODUCT'; repair: O" in lines[3]
    assert "again (first in" in lines[-1]


def test_repair_says_what_it_did_and_keeps_the_tweet(tmp_path):
    tweets, problems = rows_of(tmp_path, "a.txt", BROKEN_CONLL, bio="repair")
    assert tweets["1"].spans == (Span(0, 1, "PER"), Span(1, 2, "LOC"))
    assert tweets["2"].spans == (Span(0, 1, "LOC"),)
    assert tweets["2"].tags is None
    assert [where for where, _, mended in problems if mended] == ["a.txt:1", "a.txt:1", "a.txt:5", "a.txt:5"]


def test_kept_orphans_open_an_entity_and_keep_their_spelling(tmp_path):
    tweets, _ = rows_of(tmp_path, "a.txt", "IMGID:1\nAnn\tI-PER\nLee\tI-PER\n", bio="keep")
    assert (tweets["1"].spans, tweets["1"].tags) == ((Span(0, 2, "PER"),), ("I-PER", "I-PER"))


def test_tags_that_a_known_tweet_has_letter_for_letter_are_in_order(tmp_path):
    known = {"1": Example("1", ("Ann",), "1", (Span(0, 1, "PER"),), tags=("I-PER",))}
    assert rows_of(tmp_path, "a.txt", "IMGID:1\nAnn\tI-PER\n", known=known) == (known, [])


def test_bioes_tags_are_repaired_to_the_same_entities(tmp_path):
    text = "IMGID:1\nAnn\tB-PER\nLee\tE-PER\nin\tO\nOslo\tS-LOC\n"
    tweets, problems = rows_of(tmp_path, "a.txt", text, bio="repair")
    assert tweets["1"].spans == (Span(0, 2, "PER"), Span(3, 4, "LOC"))
    assert len(problems) == 2


BROKEN_JSONL = """{"id": "1", "text": "Ann Lee sings", "spans": [{"start_char": 0, "end_char": 5, "label": "Person"}]}
not json
{"id":"3","tokens":["a","b"],"spans":[{"start":0,"end":1,"label":"PER"},{"start":0,"end":2,"label":"LOC"}]}
{"id": "4", "tokens": ["a"], "spans": [{"start": 0, "end": 9, "label": "PER"}]}
{"id": "5", "tokens": ["a"]}
"""


def test_json_lines_are_put_right_one_by_one(tmp_path):
    tweets, problems = rows_of(tmp_path, "a.jsonl", BROKEN_JSONL, bio="repair")
    assert {name: tweet.spans for name, tweet in tweets.items()} == {
        "1": (Span(0, 2, "PER"),),  # widened to whole words
        "3": (Span(0, 2, "LOC"),),  # of two that overlap the longer
        "4": (),
        "5": None,
    }
    assert [where for where, _, mended in problems if not mended] == ["a.jsonl:2"]
    refused, problems = rows_of(tmp_path, "a.jsonl", BROKEN_JSONL)
    assert list(refused) == ["5"]
    assert [where for where, _, _ in problems] == [f"a.jsonl:{n}" for n in (1, 2, 3, 4)]


# --- CSV -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "'=1", "''+1", "＝1", "'it", "it's"])
def test_what_a_spreadsheet_would_run_is_harmless_in_the_file_and_the_same_when_read(tmp_path, text):
    tweet = Example("-1", (text,), "=pic", (Span(0, 1, "PER"),))
    write_tweets(tmp_path / "a.csv", [tweet])
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        fields = [field for row in list(csv.reader(file))[1:] for field in row]
    assert not [field for field in fields if field.strip()[:1] in tuple("=+-@＝")]
    assert read_tweets(tmp_path / "a.csv") == [tweet]


def test_a_table_that_other_tools_make_is_read(tmp_path):
    lines = [
        "\ufeffid;text;label;start_char;end_char",
        '7;Ann is in "Oslo";PER;0;3',
        '7;Ann is in "Oslo";LOC;11;15',
        "8;nobody;O;;",
        "9;later;;;",
    ]
    text = "\r\n".join([*lines, ""])
    tweets, problems = rows_of(tmp_path, "a.csv", text)
    assert problems == []
    assert [s.text(tweets["7"].tokens) for s in tweets["7"].spans] == ["Ann", "Oslo"]
    assert (tweets["8"].spans, tweets["9"].spans) == ((), None)


def test_a_table_with_texts_alone_names_tweets_by_line(tmp_path):
    tweets, _ = rows_of(tmp_path, "a.csv", "text\nfirst one\nsecond\n")
    assert list(tweets) == ["line-2", "line-3"]
    assert tweets["line-2"].tokens == ("first", "one")


def test_broken_rows_of_a_table_are_named(tmp_path):
    header, row = "id,text,start,end,label", "1,Ann,0,1,PER"
    lines = [header, row, "2,Ann,0,x,PER", f"{row},extra", row, "4,Bob,0,1,Person", "5,Ann,,,O", "5,Ann,0,1,PER"]
    text = "\n".join([*lines, ""])
    tweets, problems = rows_of(tmp_path, "a.csv", text)
    assert list(tweets) == ["1"]
    assert [where for where, _, _ in problems] == [f"a.csv:{n}" for n in (3, 4, 5, 6, 7)]


@EVERY_FORM
def test_a_file_that_is_none_of_the_form_is_one_line(tmp_path, form):
    (tmp_path / "x").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    with pytest.raises(DataError) as caught:
        read_tweets(tmp_path / "x", form)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError):
        read_tweets(tmp_path / "missing", form)


@EVERY_FORM
def test_half_a_surrogate_pair_is_refused_and_leaves_nothing_behind(tmp_path, form):
    with pytest.raises(DataError):
        write_tweets(tmp_path / "out", [Example("1", ("\ud800",), None, ())], form)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_others_is_never_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    for form in ("hf", "brat"):
        with pytest.raises(DataError, match="other things in it"):
            write_tweets(tmp_path / "out", [Example("1", ("a",), None, ())], form)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "thesis.txt"]


def test_annotations_that_were_made_in_an_exported_folder_are_not_replaced(tmp_path):
    out, tweet = tmp_path / "out", Example("1", ("Ann", "sings"), None, ())
    write_tweets(out, [tweet], "brat")
    write_tweets(out, [tweet], "brat")  # nobody was there
    (out / ".stats_cache").write_text("brat's own")
    write_tweets(out, [dataclasses.replace(tweet, spans=(Span(0, 1, "PER"),))], "brat")
    edited = "T1\tORG 0 3\tAnn\n"
    (out / "1.ann").write_text(edited)
    refused = "wanted files as the last export left them, got changes in 1.ann: import them and remove the folder"
    with pytest.raises(DataError, match=refused):
        write_tweets(out, [tweet], "brat")
    assert (out / "1.ann").read_text() == edited
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    write_tweets(out, [dataclasses.replace(tweet, spans=(Span(0, 1, "ORG"),))], "brat")  # it says what is there
    (out / "2.txt").write_text("new")
    with pytest.raises(DataError, match=r"changes in 2\.txt"):
        write_tweets(out, [tweet], "brat")


def test_a_folder_of_an_earlier_version_is_replaced_unless_its_annotations_are_newer(tmp_path):
    out, tweet = tmp_path / "out", Example("1", ("Ann", "sings"), None, ())
    write_tweets(out, [tweet], "brat")
    (out / MARK).write_text("Made by `corrections export`; the next one to this place replaces it.\n")
    write_tweets(out, [tweet], "brat")
    (out / MARK).write_text("Made by `corrections export`; the next one to this place replaces it.\n")
    later = (out / MARK).stat().st_mtime_ns + 1_000_000_000
    os.utime(out / "1.ann", ns=(later, later))
    with pytest.raises(DataError, match=r"changes in 1\.ann"):
        write_tweets(out, [tweet], "brat")


def test_a_zip_that_unpacks_to_far_more_than_a_tweet_costs_that_tweet(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.txt", b"a" * (50 << 20))
        archive.writestr("../up.txt", "Ann")
    rows = list(read_rows(tmp_path / "a.zip", "brat"))
    assert [row.id for row in rows if isinstance(row, Example)] == ["../up"]  # a name, never a place
    assert ["bomb.txt" in row.line for row in rows if isinstance(row, Problem)] == [True]
