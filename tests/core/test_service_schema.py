"""The OpenAPI document holds: what it allows is answered in its form, what it does not allow is refused."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.config import ChecksConfig, PositiveDataAcceptanceConfig, ProjectConfig, ProjectsConfig

from tests.core import served
from umt_core.service.app import ROUTES
from umt_core.service.tokens import Tokens, new_token

# A schema cannot say of a text that base64 makes a picture of it, or that gold spans lie in their tweet.
ACCEPTED = PositiveDataAcceptanceConfig(expected_statuses=["2xx", "404", "422"])
OPERATIONS = [("POST", path) for path in ("/predict", "/compare", "/explain")] + [
    ("GET", path) for path in ("/checkpoints", "/health", "/metrics", "/openapi.json")
]


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    token = new_token(folder / "tokens", "ann")
    known = {"Authorization": f"Bearer {token}"}
    project = ProjectConfig(checks=ChecksConfig(positive_data_acceptance=ACCEPTED), headers=known)
    with served.tiny_checkpoints(folder):
        app = served.make_app(served.rules(tokens=Tokens(folder / "tokens")))
        config = schemathesis.Config(projects=ProjectsConfig(default=project))

        async def begun(scope, receive, send):
            assert scope["type"] == "http", "its life is ours: Schemathesis would end it after each test"
            await app(scope, receive, send)

        with served.asking(app):
            yield schemathesis.openapi.from_asgi("/openapi.json", begun, config=config, headers=known)


def holds(document, method: str, path: str, examples: int) -> None:
    operation = document[path][method]
    # Of a GET nothing can be wrong: it takes neither parameters nor a body.
    modes = list(GenerationMode) if method == "POST" else [GenerationMode.POSITIVE]

    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes)))
    def check(case):
        case.call_and_validate()

    check()


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_document_is_true(document, method, path):
    holds(document, method, path, 10 if method == "POST" else 1)


def test_the_document_has_all_that_is_there(document):
    paths = document.raw_schema["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == set(OPERATIONS)
    assert paths.keys() == ROUTES


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/predict", "/compare", "/explain"])
def test_the_document_is_true_of_many(document, path):
    holds(document, "POST", path, 50)
