"""The browser on a million tweets: how long a combined filter with sort and first page takes, and how much memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.measure import Measure, seconds
from umt_core.analysis.browse import browse
from umt_core.analysis.query import Query
from umt_core.analysis.runs import FIGURES, finish_run
from umt_core.analysis.sets import TEXT_ROWS, PredictionSet, RunInfo, SetInfo, connect, copy
from umt_core.data.files import write_json
from umt_core.errors import UmtError

FEW, MANY = 10_000, 1_000_000
REPEATS = 5
RUNS = ("made/bert-crf", "made/umt-bert-crf")

# What a reader asks for: span filters with a sort, tweet filters with a sort, text among them, and all together.
QUERIES = (
    Query(outcome=("fixed",), type=("ORG",), sort="score", descending=True),
    Query(outcome=("broken",), seen=("unseen",), words=(10, 20), sort="gate_mean"),
    Query(error=("boundary",), image=("present",), gate=(0.75, None), sort="margin"),
    Query(gold_type=("PER",), predicted_type=("ORG",), entities=(2, None), sort="words", descending=True),
    Query(outcome=("spurious_added",), score=(0.9, None), sort="entropy_word_to_block"),
    Query(outcome=("fixed", "broken"), text="abba", sort="lowest_score"),
    Query(outcome=("both_wrong",), regex=r"(?i)\b(abba|cd\w+) ", sort="gate_std", descending=True),
    Query(words=(5, 25), image=("missing",), text="ba", sort="baseline_margin"),
    Query(
        error=("missed",), type=("LOC",), seen=("unseen",), words=(8, None), gate=(None, 0.5), text="a", sort="score"
    ),
)


def measure() -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as folder:
        few, many = (make_set(Path(folder) / str(size), size) for size in (FEW, MANY))
        first = {size: seconds(partial(s.pair, *RUNS)) for size, s in ((FEW, few), (MANY, many))}
        times: dict[Query, tuple[list[float], list[float]]] = {query: ([], []) for query in QUERIES}
        for _ in range(REPEATS):
            for query in QUERIES:
                for which, prediction_set in enumerate((few, many)):
                    times[query][which].append(seconds(partial(_ask, prediction_set, query)))
        quick, slow = (median(median(of_query[which]) for of_query in times.values()) for which in (0, 1))
        slowest = [max(median(of_query[which]) for of_query in times.values()) for which in (0, 1)]
        memory = [_peak_memory(s.folder) for s in (few, many)]
    yield Measure("browse_million", slow, "s (of 10,000 tweets)", quick, aim=0.5)
    yield Measure("browse_million_slowest", slowest[1], "s (of 10,000 tweets)", slowest[0])
    yield Measure("browse_growth", slow / quick, "times as long (as many tweets)", MANY / FEW)
    yield Measure("browse_first_pair", first[MANY], "s, once a pair (of 10,000 tweets)", first[FEW])
    yield Measure("browse_memory", memory[1], "MiB (of 10,000 tweets)", memory[0])


def _ask(prediction_set: PredictionSet, query: Query) -> None:
    page = browse(prediction_set, query)
    if not page.rows:
        raise UmtError(f"wanted a query that finds tweets, got none for {query.to_params()}")


def _peak_memory(folder: Path) -> float:
    """MiB that a process of its own takes at most to answer all queries."""
    program = (
        "import sys; from benchmarks.measure import peak_memory\n"
        "from benchmarks.browse import QUERIES, PredictionSet, _ask\n"
        "opened = PredictionSet.open(sys.argv[1])\n"
        "for query in QUERIES: _ask(opened, query)\n"
        "print(peak_memory() / 1024)"
    )
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", program, str(folder)], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise UmtError(f"the process that browses has failed: {done.stderr.splitlines()[-1]}")
    return float(done.stdout)


# --- a set by script -----------------------------------------------------------------------------
# Chance is a hash of tweet, place and purpose: the same set each time, and DuckDB makes a million in a minute.

_LABELS = "['PER', 'LOC', 'ORG', 'MISC']"
_SEEN = "['seen', 'seen', 'unseen', 'unseen', 'seen with another type']"


def _chance(*keys: str | int) -> str:
    """A number from 0 to 1 that hangs on the keys alone."""
    return f"(hash({', '.join(map(str, keys))}) % 1000003 / 1000003.0)"


def _pick(values: str, *keys: str | int) -> str:
    return f"{values}[1 + ((hash({', '.join(map(str, keys))}) >> 17) % len({values}))::INT]"


def make_set(folder: Path, size: int) -> PredictionSet:
    """A set of ``size`` tweets of made-up words with two runs, the second of which has gate and attention."""
    folder.mkdir(parents=True)
    with connect(folder) as con:
        con.execute(f"""CREATE TABLE made AS SELECT range::INT AS tweet, (5 + hash(range, 'n') % 25)::INT AS words,
            (hash(range, 'e') % 4)::INT AS entities FROM range({size})""")
        image = f"CASE WHEN {_chance('tweet', 1)} < 0.1 THEN 'missing' ELSE 'present' END"
        copy(
            con,
            f"SELECT tweet, 'id' || tweet AS id, words, entities, {image} AS image FROM made",
            folder / "tweets.parquet",
        )
        # A word is three to eight letters of its number's sum; numbers are skewed as words are.
        number = f"floor(20000 * pow({_chance('tweet', 'i')}, 3))::INT"
        word = f"substr(translate(md5({number}::VARCHAR), '0123456789', 'ghijklmnop'), 1, 3 + {number} % 6)"
        texts = f"SELECT tweet, list_transform(range(words), lambda i: {word}) AS tokens FROM made"
        copy(
            con,
            f"""SELECT tweet, array_to_string(tokens, ' ') AS text, lower(array_to_string(tokens, ' ')) AS folded,
            false AS raw, tokens, 'id' || tweet AS picture FROM ({texts}) ORDER BY tweet""",
            folder / "texts.parquet",
            TEXT_ROWS,
        )
        # Gold spans, each in a quarter of its tweet.
        con.execute(f"""CREATE TABLE gold AS SELECT tweet, slot, (slot * (words // 4))::INT AS start,
            (slot * (words // 4) + 1 + hash(tweet, slot, 'w') % greatest(1, words // 4))::INT AS "end",
            {_pick(_LABELS, "tweet", "slot", "'l'")} AS label, {_pick(_SEEN, "tweet", "slot", "'s'")} AS seen
            FROM made, range(4) b(slot) WHERE slot < entities ORDER BY tweet, slot""")
        copy(con, 'SELECT tweet, start, "end", label, false AS orphan, seen FROM gold', folder / "gold.parquet")
        (spans,) = con.execute("SELECT count(*) FROM gold").fetchone() or (0,)
        for i, name in enumerate(RUNS):
            run = _run_info(name, i)
            (folder / run.folder_name / "parts").mkdir(parents=True)
            copy(con, _predictions(i, gate=run.uses_image), folder / run.folder_name / "parts" / "all.parquet")
    info = SetInfo("made", "test", "0" * 12, "0" * 64, "", "", size, spans, {}, "benchmark", "2026")
    for name, values in ((f"{folder}/set.json", info), (f"{folder}/surfaces.json", {})):
        write_json(Path(name), values)
    for i, name in enumerate(RUNS):
        finish_run(PredictionSet.open(folder), _run_info(name, i))
    return PredictionSet.open(folder)


def _run_info(name: str, i: int) -> RunInfo:
    system = name.split("/")[1]
    return RunInfo(name, system, str(i) * 64, "0" * 64, i > 0, "made", "made", "benchmark", "2026")


def _predictions(salt: int, *, gate: bool) -> str:
    """A part as ``run_set`` writes it: gold spans, some missed, mistyped or cut, and spurious ones."""
    chance = _chance("tweet", "slot", salt)
    label = f"CASE WHEN {chance} < 0.05 THEN {_pick(_LABELS, 'tweet', 'slot', salt)} ELSE label END"
    found = f"""
        SELECT tweet, slot, start, CASE WHEN {chance} BETWEEN 0.05 AND 0.1 THEN start + 1 ELSE "end" END AS "end",
            {label} AS label, seen FROM gold WHERE {chance} < 0.9
        UNION ALL SELECT tweet, slot, (slot * (words // 4))::INT, (slot * (words // 4) + 1)::INT,
            {_pick(_LABELS, "tweet", "slot", salt)}, 'unseen' FROM made, range(4) b(slot)
        WHERE slot >= entities AND {chance} < 0.08"""
    score = f"(0.4 + 0.6 * {_chance('tweet', 'slot', salt, 2)})::FLOAT"
    span = f"""{{'start': start, 'end': "end", 'label': label, 'score': {score}, 'orphan': false, 'seen': seen}}"""
    names = FIGURES if gate else FIGURES[:1]
    figures = [f"{_chance('tweet', salt, repr(name))}::FLOAT AS {name}" for name in names]
    figures += [f"NULL::FLOAT AS {name}" for name in FIGURES[len(names) :]]
    return f"""SELECT tweet, coalesce(spans, []) AS spans, {", ".join(figures)} FROM made LEFT JOIN
        (SELECT tweet, list({span} ORDER BY slot) AS spans FROM ({found}) GROUP BY tweet) USING (tweet)
        ORDER BY tweet"""
