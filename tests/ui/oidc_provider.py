"""A small OpenID provider of our own: who signs in there, and what is wrong with its tokens, is set by the test."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI, Form, HTTPException, Request
from fastapi.responses import RedirectResponse
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

CLIENT, SECRET = "workbench", "a secret of the client"


@dataclass
class Provider:
    """What it says of who signs in, and how its tokens are made; ``base`` is its address."""

    base: str = ""
    algorithm: str = "RS256"
    claims: dict[str, Any] = field(default_factory=dict)  # of who signs in, beside what every token has
    wrong: str = ""  # "nonce", "signature", "audience", "issuer", "expired", "none": what is wrong with its tokens
    refuses: bool = False  # it sends people back without signing them in
    signed_out: list[dict[str, str]] = field(default_factory=list)  # what it was told when somebody signed out
    asked: list[dict[str, str]] = field(default_factory=list)  # what it was asked for, by each who came
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._keys = {
            "RS256": RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"}),
            "ES256": ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"}),
        }
        self._other = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})

    def token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.base,
            "aud": CLIENT,
            "sub": "a-person",
            "iat": now,
            "exp": now + 600,
            "nonce": asked.get("nonce", ""),
        } | self.claims
        wrong: dict[str, dict[str, Any]] = {
            "nonce": {"nonce": "of another sign-in"},
            "audience": {"aud": "another-client"},
            "issuer": {"iss": "https://provider.example.org"},
            "expired": {"iat": now - 7200, "exp": now - 3600},
        }
        claims |= wrong.get(self.wrong, {})
        if self.wrong == "none":  # not signed at all
            _, payload, _ = jwt.encode({"alg": "RS256", "kid": "rsa"}, claims, self._keys["RS256"]).split(".")
            return f"eyJhbGciOiJub25lIn0.{payload}."
        key = self._other if self.wrong == "signature" else self._keys[self.algorithm]
        algorithm = "RS256" if self.wrong == "signature" else self.algorithm
        return jwt.encode({"alg": algorithm, "kid": key.kid}, claims, key)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        def discovery() -> dict[str, Any]:
            return {
                "issuer": self.base,
                "authorization_endpoint": f"{self.base}/authorize",
                "token_endpoint": f"{self.base}/token",
                "jwks_uri": f"{self.base}/keys",
                "end_session_endpoint": f"{self.base}/end",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256", "ES256"],
                "code_challenge_methods_supported": ["S256"],
            }

        @app.get("/keys")
        def keys() -> dict[str, Any]:
            return KeySet(list(self._keys.values())).as_dict(private=False)

        @app.get("/authorize")
        def authorize(request: Request) -> RedirectResponse:
            asked = dict(request.query_params)
            self.asked.append(asked)
            if asked.get("client_id") != CLIENT or asked.get("response_type") != "code":
                raise HTTPException(400)
            if self.refuses:
                back = {"error": "access_denied", "error_description": "no", "state": asked["state"]}
            else:
                code = secrets.token_urlsafe()
                self._codes[code] = asked
                back = {"code": code, "state": asked["state"]}
            return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(back)}", 302)

        @app.post("/token")
        def token(request: Request, code: str = Form(), redirect_uri: str = Form(), code_verifier: str = Form()) -> Any:
            asked = self._codes.pop(code, None)
            if asked is None or asked["redirect_uri"] != redirect_uri or not code_verifier:
                raise HTTPException(400)
            if not request.headers.get("authorization", "").startswith("Basic "):
                raise HTTPException(401)
            return {"access_token": "unused", "token_type": "Bearer", "id_token": self.token(asked)}

        @app.get("/end")
        def end(request: Request) -> RedirectResponse:
            self.signed_out.append(dict(request.query_params))
            return RedirectResponse(request.query_params["post_logout_redirect_uri"], 302)

        return app


@contextmanager
def provider(port: int) -> Iterator[Provider]:
    """A provider that answers at this port of this machine."""
    made = Provider(f"http://localhost:{port}")
    server = uvicorn.Server(uvicorn.Config(made.app(), host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the provider ended before it answered"
        time.sleep(0.05)
    yield made
    server.should_exit = True
    thread.join(10)
