"""The service's routes, errors and OpenAPI document."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

import umt_core
from umt_core.engine import DeviceMemoryError, Engine
from umt_core.errors import BackboneError, CheckpointError, ConfigError, DataError, ImageError, UmtError
from umt_core.registry import CheckpointInfo, find_checkpoint
from umt_core.service.answers import Desk, UnknownCheckpointError
from umt_core.service.guard import Guard, Rules, error_body
from umt_core.service.limits import BusyError
from umt_core.service.metrics import Metrics
from umt_core.service.models import (
    CheckpointsAnswer,
    CompareAnswer,
    CompareRequest,
    Error,
    ExplainAnswer,
    ExplainRequest,
    HealthAnswer,
    PredictAnswer,
    PredictRequest,
)

log = logging.getLogger("umt_core.service")

ROUTES = frozenset(
    ("/predict", "/compare", "/explain", "/checkpoints", "/health", "/metrics", "/openapi.json")
)  # that are counted by name
STATUSES = {
    400: "What came is no JSON.",
    401: "The token is missing or not known.",
    404: "A checkpoint is not served.",
    408: "The body took too long.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "The request is JSON, but not one that can be answered.",
    429: "Too many requests.",
    500: "A fault of the service.",
    503: "Models are loading, or others hold what can be held at once.",
}
NOT_LOADED = "models are loading; try again"


class State:
    """Whether models are loaded."""

    def __init__(self) -> None:
        self.ready = threading.Event()


def create_app(
    engine: Engine,
    served: Sequence[str],
    rules: Rules,
    *,
    find: Callable[[str], CheckpointInfo] = find_checkpoint,
    loaded: Callable[[Sequence[str]], None] = lambda lines: None,
) -> FastAPI:
    """The service over an engine, which it loads when it starts and closes when it ends.

    Args:
        served: names of the checkpoints that may be asked; what is promoted under one answers from then on.
        find: what a name stands for now.
        loaded: called once, from another thread, with a line for each checkpoint that could not be loaded.
    """
    desk, state = Desk(engine, served, find), State()

    def load() -> None:
        try:
            infos, lines = engine.load(desk.served)
        except Exception as error:
            if not isinstance(error, UmtError):
                log.exception("loading checkpoints")
            infos, lines = {}, [str(error) or type(error).__name__]
        if infos:
            desk.served = tuple(name for name in desk.served if name in infos)
            state.ready.set()
        loaded(lines)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        threading.Thread(target=load, name="loading checkpoints", daemon=True).start()
        yield
        engine.close()

    app = FastAPI(
        title="MNER workbench",
        version=umt_core.__version__,
        summary="Named entities in a tweet and its picture: tag, compare, explain.",
        lifespan=lifespan,
        docs_url=None,  # its page would be fetched from others' servers
        redoc_url=None,
        openapi_url=None,  # as a route of our own it is in the document, like all
    )
    metrics = Metrics(engine.stats, state.ready.is_set)
    app.add_middleware(Guard, rules=rules, metrics=metrics, routes=ROUTES)
    _add_errors(app)
    _add_routes(app, desk, state, metrics)
    app.openapi = lambda: _openapi(app, rules)  # type: ignore[method-assign]
    return app


def _answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Error, "description": STATUSES[status]} for status in statuses}


READ = (400, 401, 429, 500, 503)  # 400: the Host is another machine's
ASK = (400, 401, 404, 408, 413, 415, 422, 429, 500, 503)


def _add_routes(app: FastAPI, desk: Desk, state: State, metrics: Metrics) -> None:
    # Plain functions: FastAPI runs them in threads, and the engine blocks until it has answered. Who watches the
    # service must not wait until one of these threads is free.

    @app.post("/predict", response_model=PredictAnswer, responses=_answers(*ASK))
    def predict(asked: PredictRequest) -> Any:
        """Entities of one or several tweets, by one or several taggers."""
        _check_ready(state)
        return desk.predict(asked)

    @app.post("/compare", response_model=CompareAnswer, responses=_answers(*ASK))
    def compare(asked: CompareRequest) -> Any:
        """What several taggers say of one tweet: what they agree on, what not, and what of it is right."""
        _check_ready(state)
        return desk.compare(asked)

    @app.post("/explain", response_model=ExplainAnswer, responses=_answers(*ASK))
    def explain(asked: ExplainRequest) -> Any:
        """The inside of one tagger at one tweet: attention maps, gate, and what each part adds to each tag."""
        _check_ready(state)
        return desk.explain(asked)

    @app.get("/checkpoints", response_model=CheckpointsAnswer, responses=_answers(*READ))
    def checkpoints() -> Any:
        """What is served, in the versions that answer now."""
        return desk.checkpoints()

    @app.get(
        "/health",
        response_model=HealthAnswer,
        responses={503: {"model": HealthAnswer, "description": "Models are loading."}, **_answers(400, 500)},
    )
    async def health(response: Response) -> Any:
        """Whether questions are answered; wants no token."""
        ready = state.ready.is_set()
        response.status_code = 200 if ready else 503
        return {"status": "ready" if ready else "loading", "checkpoints": desk.served if ready else []}

    text: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus's text form."}
    }

    @app.get("/metrics", response_class=Response, responses={**text, **_answers(*READ)})
    async def prometheus() -> Response:
        """Requests by route and status, their seconds, and what the engine does."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    document: dict[int | str, dict[str, Any]] = {
        200: {"content": {"application/json": {"schema": {"type": "object"}}}, "description": "OpenAPI 3.1."}
    }

    @app.get("/openapi.json", response_class=JSONResponse, responses={**document, **_answers(*READ)})
    async def openapi() -> JSONResponse:
        """This document."""
        return JSONResponse(app.openapi())


def _check_ready(state: State) -> None:
    if not state.ready.is_set():
        raise HTTPException(503, NOT_LOADED, {"retry-after": "2"})


def _add_errors(app: FastAPI) -> None:
    def error(status: int, line: str, headers: Any = None) -> Response:
        return Response(error_body(line), status, headers, "application/json")

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, problem: RequestValidationError) -> Response:
        first = problem.errors()[0]
        if first["type"] == "json_invalid":
            return error(400, f"wanted JSON, got an error at character {first['loc'][-1]}: {first['ctx']['error']}")
        place = ".".join(str(step) for step in first["loc"][1:]) or "body"
        return error(422, f"{_printable(place)}: {_printable(first['msg'])}")

    # Starlette's own, which FastAPI's derives from: routes that are not there raise that.
    @app.exception_handler(HTTPException.__mro__[1])
    def refused(request: Request, problem: Any) -> Response:
        lines = {
            404: f"wanted one of {', '.join(sorted(ROUTES))}, got {_printable(request.url.path)}",
            405: f"{request.url.path}: wanted {(problem.headers or {}).get('Allow')}, got {request.method}",
        }
        return error(problem.status_code, lines.get(problem.status_code) or str(problem.detail), problem.headers)

    @app.exception_handler(UmtError)
    def failed(request: Request, problem: UmtError) -> Response:
        if isinstance(problem, UnknownCheckpointError):
            return error(404, _printable(str(problem)))
        if isinstance(problem, DataError | ImageError):
            return error(422, _printable(str(problem)))
        if isinstance(problem, BusyError | DeviceMemoryError):
            return error(503, f"{problem}; try again", {"retry-after": "1"})
        # Of a checkpoint or an encoder that is not as it should be: the message names files of the server.
        log.error("%s: %s", request.url.path, problem)
        is_ours = isinstance(problem, CheckpointError | BackboneError | ConfigError)
        return error(503, "a checkpoint cannot be loaded; the server's log says why" if is_ours else "shutting down")


def _printable(text: str) -> str:
    """A line of what somebody sent, cut short."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= 300 else f"{text[:299]}…"


def _openapi(app: FastAPI, rules: Rules) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own errors; ours have another form
            schemas.pop(name, None)
        if rules.tokens is not None:
            document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            for path, methods in document["paths"].items():
                for operation in methods.values():
                    operation["security"] = [] if path == "/health" else [{"token": []}]
        app.openapi_schema = document
    return app.openapi_schema
