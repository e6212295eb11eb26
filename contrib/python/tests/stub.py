"""An agent that says what a test tells it to, on a real socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Answer = Callable[[dict[str, Any]], bytes | dict[str, Any]]


class Stub:
    """Answers each request by ``answer``; keeps what it was sent."""

    def __init__(self, path: Path, answer: Answer, *, place: int | None = None) -> None:
        """With ``place`` that many may wait, and it answers nobody before ``begin``."""
        self.seen: list[dict[str, Any]] = []
        self._answer = answer
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        if place is None:
            self._socket.listen()
            self.begin()
        else:
            self._socket.listen(place)

    def begin(self) -> None:
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                line = lines.readline()
                if not line:
                    continue
                request = json.loads(line)
                self.seen.append(request)
                answer = self._answer(request)
                if isinstance(answer, dict):
                    answer = json.dumps({"jsonrpc": "2.0", "id": request["id"], **answer}).encode()
                    answer += b"\n"
                connection.sendall(answer)

    def close(self) -> None:
        self._socket.close()
