"""The Patterns page over a data set by hand, without a browser."""

from __future__ import annotations

from functools import partial

import pytest

from tests.ui import reading
from umt_core.analysis.sets import PredictionSet

pytestmark = pytest.mark.usefixtures("data")


opened = partial(reading.opened, "patterns")


def test_without_predictions_the_page_offers_to_make_them():
    page = opened(data="tiny/test")
    assert "No predictions" in page.subheader[0].value


def test_a_link_chooses_set_and_runs_and_the_page_writes_the_same_link(made: PredictionSet):
    asked = {"data": "tiny/test", "baseline": "twitter2017/mt-bert-crf", "system": "twitter2017/bert-crf"}
    page = opened(**asked)
    assert asked.items() <= reading.address(page).items()


def test_a_run_that_is_not_there_is_named_in_a_line(made: PredictionSet):
    page = opened(data="tiny/test", system="twitter2017/none")
    assert "no predictions of 'twitter2017/none'" in reading.said(page)
