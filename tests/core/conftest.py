"""A store of corrections for tests: the same ones run on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from umt_core.corrections.database import file_url
from umt_core.corrections.store import Store


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store, in a file, or in a schema of its own of ``$UMT_TEST_POSTGRES``."""
    if request.param == "sqlite":
        yield file_url(tmp_path / "corrections.sqlite")
        return
    if not (address := os.environ.get("UMT_TEST_POSTGRES")):
        pytest.skip("no PostgreSQL: UMT_TEST_POSTGRES says where one is")
    schema = f"test_{secrets.token_hex(8)}"
    engine = create_engine(make_url(address).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        url = make_url(address).update_query_dict({"options": f"-csearch_path={schema}", "application_name": schema})
        yield url.render_as_string(hide_password=False)
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store(store_url) as store:
        yield store
