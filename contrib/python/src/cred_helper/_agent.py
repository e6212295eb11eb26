"""One question to the agent: JSON-RPC, one message per line, over its Unix socket (cred-helper-protocol(7)).

A connection is made for each question, so that nothing is shared between threads and an upgraded agent is not noticed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from ._errors import AgentUnreachable, CredHelperError

MAX_ANSWER = 4 * 1024 * 1024
START_TIMEOUT = 30.0


def ask(method: str, params: dict[str, Any], *, timeout: float, program: str) -> dict[str, Any]:
    """Asks the agent that runs, or starts one."""
    connection = _connect(timeout) or _start_and_connect(timeout, program)
    with connection:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            connection.sendall(json.dumps(request).encode() + b"\n")
            return _result(_read_answer(connection))
        except TimeoutError:
            raise AgentUnreachable(f"the agent did not answer within {timeout:g} s") from None
        except OSError as error:
            raise AgentUnreachable(f"the connection to the agent broke: {error.strerror}") from None


def _read_answer(connection: socket.socket) -> dict[str, Any]:
    """The answer: notifications may come before it."""
    rest = b""
    while True:
        chunk = connection.recv(65536)
        rest += chunk
        *lines, rest = rest.split(b"\n")
        for line in lines:
            message = _parse(line)
            if "result" in message or "error" in message:
                return message
        if not chunk or len(rest) > MAX_ANSWER:
            raise AgentUnreachable("the agent closed the connection without an answer; ask again")


def _parse(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        # Its words are not repeated: a token may be among them.
        raise AgentUnreachable("what listens at the agent's socket is no agent")
    return message


def _result(answer: dict[str, Any]) -> dict[str, Any]:
    error = answer.get("error")
    if error is None:
        result: dict[str, Any] = answer["result"]
        return result
    data = error.get("data") or {}
    raise CredHelperError(
        str(error.get("message")),
        kind=str(data.get("kind", "internal")),
        account=data.get("account"),
        retry_at=data.get("retry_at"),
    )


def _connect(timeout: float) -> socket.socket | None:
    for path in _sockets():
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Not settimeout yet: while others flood the agent, who waits comes in in turn and who doesn't is told EAGAIN.
        seconds, part = divmod(timeout, 1)
        limit = struct.pack("ll", int(seconds), int(part * 1e6))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        try:
            connection.connect(str(path))
        except BlockingIOError:
            connection.close()
            raise AgentUnreachable(f"the agent did not answer within {timeout:g} s") from None
        except OSError:
            connection.close()
            continue
        connection.settimeout(timeout)
        try:
            _check_peer(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection
    return None


def _check_peer(connection: socket.socket, path: Path) -> None:
    """A refused token is about to go there: only this user's agent, or root's, gets it."""
    if hasattr(socket, "SO_PEERCRED"):
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        owner = int.from_bytes(credentials[4:8], sys.byteorder)
    else:
        owner = os.stat(path).st_uid
        if os.stat(path.parent).st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            owner = -1
    if owner not in _ours():
        raise AgentUnreachable(f"{path} is another user's socket")


def _ours() -> tuple[int, ...]:
    return (os.geteuid(), 0)


def _sockets() -> list[Path]:
    """Where an agent of this user may listen, the likeliest first."""
    given = os.environ.get("CRED_HELPER_SOCK")
    if given:
        return [Path(given)]
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    state = Path(os.environ.get("XDG_STATE_HOME") or home / ".local/state")
    found = []
    # The owner of the vault says where it listens; its file may be left from one that is gone.
    try:
        owner = json.loads((data / "cred-helper/vault/owner.json").read_bytes())
        found.append(Path(owner["socket"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    found += [Path(runtime) / "cred-helper/agent.sock", state / "cred-helper/run/agent.sock"]
    return found


def _start_and_connect(timeout: float, program: str) -> socket.socket:
    executable = shutil.which(program)
    if executable is None:
        raise AgentUnreachable(f"no agent runs, and there is no `{program}` on the PATH to start one")
    command = [executable, "agent", "start"]
    try:
        started = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=START_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        raise AgentUnreachable(f"`{program} agent start` could not be run") from None
    connection = _connect(timeout) if started.returncode == 0 else None
    if connection is None:
        said = started.stderr.strip() or "no agent answers"
        raise AgentUnreachable(said)
    return connection
