"""The same questions through the command line, where Python has no Unix sockets (Windows)."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

from ._errors import AgentUnreachable, CredHelperError

# cred-helper(1), EXIT STATUS.
KINDS = {
    10: "login_required",
    11: "unknown_account",
    12: "ambiguous_account",
    13: "temporarily_unavailable",
    14: "vault_locked",
    18: "agent_unreachable",
    20: "denied",
    32: "not_allowed",
    33: "not_confirmed",
    34: "rate_limited",
    35: "unknown_target",
}


def get_token(params: dict[str, Any], *, timeout: float, program: str) -> dict[str, Any]:
    """`get-token --format json`."""
    command = ["get-token", "--format", "json", "--timeout", f"{max(1, round(timeout))}s"]
    command += ["--token-type", params["token_type"]] if "token_type" in params else []
    command += ["--target", params["target"]] if "target" in params else []
    command += ["--audience", params["audience"]] if "audience" in params else []
    command += [word for scope in params.get("scope", []) for word in ("--scope", scope)]
    command += ["--min-validity", f"{params['min_validity']}s"] if "min_validity" in params else []
    command += ["--", params["account"]] if "account" in params else []
    answer: dict[str, Any] = json.loads(_run(command, "", timeout, program))
    return answer


def reject(params: dict[str, Any], *, timeout: float, program: str) -> dict[str, Any]:
    """`reject --json`; the token goes over standard input."""
    command = ["reject", "--json"] + (["--", params["account"]] if "account" in params else [])
    answer: dict[str, Any] = json.loads(_run(command, params["token"], timeout, program))
    return answer


def _run(command: list[str], text: str, timeout: float, program: str) -> str:
    executable = shutil.which(program)
    if executable is None:
        raise AgentUnreachable(f"there is no `{program}` on the PATH")
    try:
        ended = subprocess.run(
            [executable, *command], input=text, capture_output=True, text=True, timeout=timeout + 5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        raise AgentUnreachable(f"`{program} {command[0]}` did not answer") from None
    if ended.returncode != 0:
        said = ended.stderr.strip().removeprefix("cred-helper: ")
        raise CredHelperError(said, kind=KINDS.get(ended.returncode, "internal"))
    return ended.stdout
