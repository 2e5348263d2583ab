"""Results that are kept beside a run: read again as they were, and not taken for another run's."""

from __future__ import annotations

import dataclasses
import json

import pyarrow as pa
import pytest

from tests.ui.tiny_set import write_data, write_set
from umt_core.analysis.building import share_set
from umt_core.analysis.sets import RUN, PredictionSet
from umt_core.errors import DataError
from umt_core.explain.kept import about_kept, kept_file, read_kept, write_kept

UMT, MT = "twitter2017/umt-bert-crf", "twitter2017/mt-bert-crf"
TABLE = pa.table({"tweet": pa.array([0, 1], pa.int32()), "drop": [0.25, -0.5]})


@pytest.fixture
def found(tmp_path):
    return write_set(write_data(tmp_path / "data"), tmp_path / "predictions", ("umt-bert-crf", "mt-bert-crf"))


def test_what_is_kept_comes_back_with_what_was_said_of_it(found):
    assert read_kept(found, UMT, "drops") is None
    path = write_kept(found, UMT, "drops", TABLE, about={"seed": "7"})
    table = read_kept(found, UMT, "drops")
    assert path == kept_file(found, UMT, "drops")
    assert table is not None
    assert table.to_pylist() == TABLE.to_pylist()
    assert about_kept(table) == {"seed": "7"}
    assert [file.name for file in path.parent.iterdir()] == ["drops.parquet"]


def test_results_are_of_one_run_and_one_kind(found):
    write_kept(found, UMT, "drops", TABLE)
    assert read_kept(found, MT, "drops") is None
    assert read_kept(found, UMT, "rises") is None


def test_results_of_weights_that_have_changed_are_not_taken(found):
    write_kept(found, UMT, "drops", TABLE)
    # Other weights whose sum begins alike would have the same folder: the file itself says whose it is.
    manifest = found.folder / found.run(UMT).folder_name / RUN
    values = json.loads(manifest.read_text()) | {"weights_sha256": found.run(UMT).weights_sha256[:12] + "f" * 52}
    manifest.write_text(json.dumps(values))
    assert read_kept(PredictionSet.open(found.folder), UMT, "drops") is None


def test_results_of_other_data_are_not_taken(found):
    write_kept(found, UMT, "drops", TABLE)
    other = dataclasses.replace(found, info=dataclasses.replace(found.info, data_sha256="0" * 64))
    assert read_kept(other, UMT, "drops") is None


def test_a_shared_set_takes_its_results_along(found, tmp_path):
    write_kept(found, UMT, "drops", TABLE)
    shared = PredictionSet.open(share_set(found, tmp_path / "shared"))
    table = read_kept(shared, UMT, "drops")
    assert table is not None
    assert table.num_rows == 2


def test_a_damaged_file_is_named(found):
    path = write_kept(found, UMT, "drops", TABLE)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match=r"drops\.parquet: wanted a run's drops, got a damaged file"):
        read_kept(found, UMT, "drops")


def test_a_run_that_is_not_there_is_named(found):
    with pytest.raises(DataError, match="wanted predictions of 'twitter2017/none'"):
        write_kept(found, "twitter2017/none", "drops", TABLE)
