"""The browser: every query against a plain reading of the same tweets, pages, neighbours, links, exports."""

from __future__ import annotations

import csv
import random
import re

import pytest

from tests.core.fabricated import TEXT_ONLY, WITH_IMAGES, Made, make
from umt_core.analysis.browse import browse, export, find, write_export
from umt_core.analysis.building import adopt_set, share_set
from umt_core.analysis.ledger import ledger
from umt_core.analysis.query import CHOICES, SORTS, Query
from umt_core.analysis.sets import PredictionSet
from umt_core.data.conll import read_conll
from umt_core.data.jsonl import read_examples
from umt_core.errors import DataError
from umt_core.schema import Summary


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    return make(tmp_path_factory.mktemp("made"))


# --- a plain reading -----------------------------------------------------------------------------


def seen_in(train):
    known = {}
    for example in train:
        for span in example.spans:
            known.setdefault(span.text(example.tokens).lower(), set()).add(span.label)

    def category(span, tokens):
        labels = known.get(span.text(tokens).lower())
        return "unseen" if labels is None else "seen" if span.label in labels else "seen with another type"

    return category


def within(limits, value):
    low, high = limits
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


def error_name(match):
    return None if match is None or (match.predicted is None and match.error is None) else match.error or "right"


def lines_of(made, query, i):
    """The lines of tweet i's ledger that the span filters let through."""
    example, category = made.examples[i], seen_in(made.train)
    said = [{s.span: s.score for s in made.predictions[name][i].spans} for name in (query.baseline, query.system)]
    found = []
    for entry in ledger(example.spans, *said):
        system = entry.system
        gold = next((m.gold for m in (entry.system, entry.baseline) if m and m.gold), None)
        predicted = system.predicted if system else None
        facts = {
            "outcome": entry.outcome,
            "type": entry.span.label,
            "gold_type": gold.label if gold else "none",
            "predicted_type": predicted.label if predicted else "none",
            "error": error_name(system),
            "baseline_error": error_name(entry.baseline),
            "seen": category(entry.span, example.tokens),
        }
        if any(getattr(query, name) and value not in getattr(query, name) for name, value in facts.items()):
            continue
        if query.score != (None, None) and not within(query.score, said[1].get(predicted)):
            continue
        found.append(said[1].get(predicted))
    return found


def has_span_filter(query):
    names = ("outcome", "type", "gold_type", "predicted_type", "error", "baseline_error", "seen")
    return any(getattr(query, name) for name in names) or query.score != (None, None)


def matches(made, query):
    """Ids of the tweets that a query should find, in order, and how many lines match."""
    figures = {name: made.set.query(f"FROM {made.set.table('tweets', name)}") for name in made.set.runs}
    states = [row["image"] for row in made.set.query(f"FROM {made.set.table('tweets')}")]
    found, lines_found = [], 0
    for i, example in enumerate(made.examples):
        text, lines = " ".join(example.tokens), lines_of(made, query, i)
        own, base = figures[query.system][i], figures[query.baseline][i]
        if not (
            within(query.words, len(example.tokens))
            and within(query.entities, len(example.spans))
            and (query.gate == (None, None) or within(query.gate, own["gate_quantile"]))
            and (not query.image or states[i] in query.image)
            and query.text.lower() in text.lower()
            and re.search(query.regex, text)
            and (lines or not has_span_filter(query))
        ):
            continue
        key = {
            "tweet": i,
            "id": example.id,
            "words": len(example.tokens),
            "entities": len(example.spans),
            "score": min((score for score in lines if score is not None), default=None),
            "baseline_lowest_score": base["lowest_score"],
            "baseline_margin": base["margin"],
        }.get(query.sort, own.get(query.sort))
        found.append((key, i, example.id))
        lines_found += len(lines)
    known = sorted((row for row in found if row[0] is not None), key=lambda row: row[1])
    known.sort(key=lambda row: row[0], reverse=query.descending)
    unknown = sorted((row for row in found if row[0] is None), key=lambda row: row[1])
    return [row[2] for row in known + unknown], lines_found


def random_query(rng):
    def some(values):
        return tuple(rng.sample(values, rng.randint(1, 2))) if rng.random() < 0.2 else ()

    def limits(low, high, digits):
        if rng.random() < 0.75:
            return None, None
        ends = sorted(round(rng.uniform(low, high), digits) for _ in range(2))
        return rng.choice([(ends[0], None), (None, ends[1]), tuple(ends)])

    names = [TEXT_ONLY, WITH_IMAGES]
    return Query(
        baseline=rng.choice(names),
        system=rng.choice(names),
        **{name: some(values) for name, values in CHOICES.items()},
        score=limits(0, 1, 2),
        words=limits(1, 30, 0),
        entities=limits(0, 4, 0),
        gate=limits(0, 1, 2),
        text=rng.choice(["", "", "", "oslo", "PLAYS in", "%", "🎉"]),
        regex=rng.choice(["", "", "", "^Ann", r"\bR\w+", "(Bob|Jets) ", "a.b"]),
        sort=rng.choice(list(SORTS)),
        descending=rng.random() < 0.5,
    )


def test_queries_find_what_a_plain_reading_finds(made):
    rng = random.Random(1)
    full = 0
    for _ in range(150):
        query = random_query(rng)
        page = browse(made.set, query, size=1000)
        ids, lines = matches(made, query)
        assert [row["id"] for row in page.rows] == ids, query
        assert page.tweets == len(ids)
        assert page.gold_spans + page.other_spans == (lines if has_span_filter(query) else 0)
        full += len(ids) > 0
    assert full > 50  # the test has seen more than empty answers


def test_every_order_holds_every_tweet(made):
    for name in SORTS:
        query = Query(baseline=TEXT_ONLY, system=WITH_IMAGES, sort=name)
        assert browse(made.set, query).tweets == len(made.examples)
        assert sum(text.count("IMGID:") for text in export(made.set, query, "conll")) == len(made.examples)


def test_each_filter_alone_lets_some_through_and_keeps_some_out(made):
    some = {"score": (0.2, 0.7), "words": (5, 15), "entities": (1, 2), "gate": (0.25, 0.5), "text": "oslo"}
    some |= {"regex": "^Ann", **{name: (values[0],) for name, values in CHOICES.items()}}
    for name, value in some.items():
        query = Query(baseline=TEXT_ONLY, system=WITH_IMAGES, **{name: value})
        assert 0 < browse(made.set, query).tweets < 120, name


def test_pages_hold_every_tweet_once_and_in_order(made):
    query = Query(sort="lowest_score", descending=True)
    pages = [browse(made.set, Query(sort="lowest_score", descending=True, page=i), size=50) for i in range(4)]
    assert [len(page.rows) for page in pages] == [50, 50, 20, 0]
    assert {page.tweets for page in pages} == {120}
    rows = [row for page in pages for row in page.rows]
    assert [row["id"] for row in rows] == [row["id"] for row in browse(made.set, query, size=200).rows]
    assert [row["position"] for row in rows] == list(range(120))


def test_a_row_holds_what_a_page_shows(made):
    query = Query(baseline=TEXT_ONLY, system=WITH_IMAGES, outcome=("fixed",))
    row = browse(made.set, query).rows[0]
    example = made.examples[row["tweet"]]
    assert (tuple(row["tokens"]), row["picture"], row["words"]) == (example.tokens, example.image, len(example.tokens))
    assert [(s["start"], s["end"], s["label"]) for s in row["gold"]] == [
        (s.start, s.end, s.label) for s in example.spans
    ]
    said = made.predictions[WITH_IMAGES][row["tweet"]].spans
    shown = row["predictions"][WITH_IMAGES]
    assert [(s["start"], s["label"], s["score"]) for s in shown] == [
        (s.span.start, s.span.label, pytest.approx(s.score)) for s in said
    ]
    fixed = [s for s in row["lines"] if s["outcome"] == "fixed"]
    assert row["lines"] == fixed != []
    assert set(browse(made.set, query, runs=[TEXT_ONLY]).rows[0]["predictions"]) == {TEXT_ONLY}


def test_baseline_and_system_are_chosen_where_the_query_names_none(made):
    ids = [row["id"] for row in browse(made.set, Query(outcome=("fixed",)), size=200).rows]
    named = Query(baseline=TEXT_ONLY, system=WITH_IMAGES, outcome=("fixed",))
    assert ids == [row["id"] for row in browse(made.set, named, size=200).rows]


def test_neighbours_are_those_of_the_list(made):
    query = Query(outcome=("broken",), sort="words", descending=True)
    ids = [row["id"] for row in browse(made.set, query, size=200).rows]
    for i, identity in enumerate(ids):
        row = find(made.set, identity, query)
        assert (row["id"], row["position"]) == (identity, i)
        assert row["previous"] == (ids[i - 1] if i else None)
        assert row["next"] == (ids[i + 1] if i + 1 < len(ids) else None)


def test_a_tweet_outside_the_filter_is_still_shown(made):
    outside = next(e.id for e in made.examples if not e.spans)
    row = find(made.set, outside, Query(outcome=("fixed",)))
    assert (row["id"], row["position"], row["previous"], row["next"]) == (outside, None, None, None)


# --- links ---------------------------------------------------------------------------------------


def test_links_restore_every_query():
    rng = random.Random(2)
    for _ in range(100):
        query = random_query(rng)
        assert Query.from_params(query.to_params()) == query
    for low in (0.9999995, 0.12345678, 1234567.0, 1e-9):
        assert Query.from_params(Query(score=(low, None)).to_params()).score == (low, None)
    assert Query(words=(10.0, 20.0)).to_params() == {"words": "10..20"}
    assert Query().to_params() == {}
    assert Query.from_params({"utm_source": "elsewhere", "text": "a,b & c"}) == Query(text="a,b & c")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"outcome": "mended"}, "outcome: wanted of fixed, broken"),
        ({"words": "many"}, "words: wanted a range like 3..7, got 'many'"),
        ({"words": "nan..3"}, "words: wanted a range"),
        ({"sort": "tweet; DROP TABLE"}, "sort: wanted one of"),
        ({"page": "-1"}, "page: wanted 0 to 1,000,000,000, got -1"),
        ({"page": "9" * 400}, "page: wanted 0 to 1,000,000,000, got 9999"),
        ({"regex": "a" * 1001}, "regex: wanted at most 1,000 characters, got 1,001"),
        ({"page": "x"}, "page: wanted a whole number"),
    ],
)
def test_a_bad_link_gives_one_line(params, said):
    with pytest.raises(DataError, match=said) as error:
        Query.from_params(params)
    assert "\n" not in str(error.value)


# --- bad input -----------------------------------------------------------------------------------


def test_an_invalid_regular_expression_gives_one_line(made):
    with pytest.raises(DataError, match=r"regex: wanted a regular expression, got '\(a': missing \)") as error:
        browse(made.set, Query(regex="(a"))
    assert "\n" not in str(error.value)


def test_a_filter_that_matches_nothing_gives_an_empty_page(made):
    page = browse(made.set, Query(text="no such words"))
    assert (page.tweets, page.gold_spans, page.rows) == (0, 0, [])


def test_a_tweet_that_is_gone_and_a_run_that_is_not_there_give_one_line(made):
    with pytest.raises(DataError, match="wanted a tweet with the id 'gone', there is none"):
        find(made.set, "gone")
    with pytest.raises(DataError, match="wanted predictions of 'made/none', got none; there are: made/bert-crf"):
        browse(made.set, Query(system="made/none"))


def test_quotes_in_values_do_no_harm(made):
    assert browse(made.set, Query(text="'; DROP TABLE x; --")).tweets == 0
    with pytest.raises(DataError, match="there is none"):
        find(made.set, "' OR 1=1 --")


def test_without_its_tweets_a_set_still_shows_ids_and_spans(made, tmp_path):
    bare = adopt_set(share_set(made.set, tmp_path / "shared"), tmp_path / "sets")
    page = browse(bare, Query(outcome=("fixed",)))
    assert page.tweets == browse(made.set, Query(outcome=("fixed",))).tweets
    assert page.rows[0]["tokens"] is None
    assert page.rows[0]["gold"]
    with pytest.raises(DataError, match="cannot search in its tweets"):
        browse(bare, Query(text="ann"))
    with pytest.raises(DataError, match="cannot export jsonl"):
        export(bare, Query(), "jsonl")
    assert len("".join(export(bare, Query(), "csv")).splitlines()) > 100


def test_a_set_without_runs_says_so(made, tmp_path):
    folder = share_set(made.set, tmp_path / "shared")
    for manifest in folder.glob("*/manifest.json"):
        manifest.unlink()
    with pytest.raises(DataError, match="wanted predictions to look at, got none"):
        browse(PredictionSet.open(folder), Query())


# --- exports -------------------------------------------------------------------------------------


def test_what_is_filtered_is_exported_as_jsonl_and_conll_and_reads_back(made, tmp_path):
    query = Query(outcome=("fixed",), sort="words")
    ids = [row["id"] for row in browse(made.set, query, size=200).rows]
    by_id = {example.id: example for example in made.examples}
    for form, name, read in (("jsonl", "out.jsonl", read_examples), ("conll", "out.txt", read_conll)):
        write_export(made.set, query, form, tmp_path / name)
        back = read(tmp_path / name)
        assert [example.id for example in back] == ids
        assert [(e.tokens, e.spans) for e in back] == [(by_id[i].tokens, by_id[i].spans) for i in ids]


def test_csv_has_a_line_for_each_span_and_no_formula(made):
    rows = list(csv.DictReader("".join(export(made.set, Query(), "csv")).splitlines()))
    spans = sum(len(e.spans) for e in made.examples)
    spans += sum(len(p.spans) for predictions in made.predictions.values() for p in predictions)
    assert len(rows) == spans
    assert not [value for row in rows for value in row.values() if value[:1] in ("=", "+", "-", "@", "\t")]
    assert any(row["surface"].startswith("'@") for row in rows)


def test_an_export_of_another_form_is_refused(made):
    with pytest.raises(DataError, match="wanted an export as csv, jsonl, conll, got 'xlsx'"):
        export(made.set, Query(), "xlsx")


def test_summaries_have_a_column_to_sort_by():
    figures = set(Summary.__dataclass_fields__)
    assert figures <= set(SORTS)
