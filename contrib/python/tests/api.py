"""An API as the providers have it, on loopback: it takes tokens that the authorization server calls live, and a key."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "key-of-the-tests"

MESSAGE = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "content": [{"type": "text", "text": "hello"}],
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
}


class Api:
    """Answers Messages and Chat Completions; refuses with 401 as they do."""

    def __init__(self, resource: str) -> None:
        self.seen: list[str] = []
        """The credentials that came, in order; a key as ``key``."""
        self.headers: list[dict[str, str]] = []
        self.refused: set[str] = set()
        """Tokens that are refused however live they are."""
        self.refuse_every_token = False
        self._resource = resource
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                self.rfile.read(length)
                api.headers.append({name.lower(): value for name, value in self.headers.items()})
                if api._takes(dict(api.headers[-1])):
                    self._answer(200, MESSAGE if self.path.endswith("messages") else COMPLETION)
                else:
                    error = {"type": "authentication_error", "message": "invalid bearer token"}
                    self._answer(401, {"type": "error", "error": error})

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _takes(self, headers: dict[str, str]) -> bool:
        key = headers.get("x-api-key")
        authorization = headers.get("authorization")
        if (key is None) == (authorization is None):
            self.seen.append("none or both")
            return False
        if key == KEY or authorization == f"Bearer {KEY}":
            self.seen.append("key")
            return True
        token = (authorization or "").removeprefix("Bearer ")
        self.seen.append(token)
        return not self.refuse_every_token and token not in self.refused and self._is_live(token)

    def _is_live(self, token: str) -> bool:
        question = urllib.request.Request(self._resource, headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(question) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return False
