"""The client: asks for tokens, reports those that a server refused, and has passwords kept."""

from __future__ import annotations

import math
import socket
from collections.abc import Sequence
from typing import Any

from . import _agent, _command
from ._errors import AgentUnreachable, CredHelperError
from ._token import Rejection, Stored, Token


class Client:
    """Asks this user's agent, and starts it if none runs. It keeps nothing: use one from as many threads as you like.

    ``timeout`` is how long a question may take, in seconds; ``program`` starts the agent.
    """

    def __init__(self, *, timeout: float = 30.0, program: str = "cred-helper") -> None:
        self._timeout = timeout
        self._program = program

    def get_token(
        self,
        account: str | None = None,
        *,
        token_type: str | None = None,
        audience: str | None = None,
        scope: Sequence[str] = (),
        min_validity: float | None = None,
        target: str | None = None,
        or_password_for: str | None = None,
        retry_for: float | None = None,
    ) -> Token:
        """A token that is fresh: of ``account`` (``provider`` or ``provider/label``), else of the default one.

        With a ``target`` in its place: of the account that answers for that URL ([targets] in cred-helper.toml(5)).
        Where none does, and ``or_password_for`` is given (mostly the same URL): a password that is kept for that.
        Where a refresh fails, as without a network, others follow for ``retry_for`` seconds, else until ``timeout``.
        ``token_type`` is ``access`` or ``id``; ``min_validity`` says for how many seconds it has to be good.
        Raises :class:`CredHelperError` with what to do.
        """
        params: dict[str, Any] = {"deadline": max(1, math.ceil(self._timeout))}
        if account is not None:
            params["account"] = account
        if target is not None:
            params["target"] = target
        if or_password_for is not None:
            params["or_password_for"] = or_password_for
        if token_type is not None:
            params["token_type"] = token_type
        if audience is not None:
            params["audience"] = audience
        if scope:
            params["scope"] = list(scope)
        if min_validity is not None:
            params["min_validity"] = math.ceil(min_validity)
        if retry_for is not None:
            params["retry_for"] = math.ceil(retry_for)
        answer = self._ask("token.get", params)
        if target is not None and answer.get("for_target") is None:
            # It has passed over what it does not know, and means the default account, whatever the host.
            raise AgentUnreachable("the agent is older than this package and knows no URLs: cred-helper agent restart")
        return Token._from_answer(answer)

    def reject(self, token: Token | str, *, account: str | None = None) -> Rejection:
        """Reports a token that a server refused: it is refreshed, once, for everybody.

        Only ever for a 401: a 403 or a 429 is no fault of the token.
        """
        if isinstance(token, Token):
            return self.reject(token.secret, account=account or token.account)
        params = {"token": token} if account is None else {"token": token, "account": account}
        answer = self._ask("token.reject", params)
        return Rejection(outcome=str(answer["outcome"]), account=answer.get("account"))

    def store_password(self, url: str, username: str, password: str) -> Stored:
        """Has the agent keep a password for ``url`` and what is below, in the place of the one before.

        Where an account answers, or the configuration says that nothing shall, it keeps none: see ``outcome``.
        """
        answer = self._ask("password.store", {"url": url, "username": username, "password": password})
        return Stored(outcome=str(answer["outcome"]), account=answer.get("account"))

    def remove_password(self, url: str, username: str) -> bool:
        """Has the agent forget the password that it keeps for this very ``url`` and user. Whether there was one."""
        return bool(self._ask("password.remove", {"url": url, "username": username})["passwords"])

    def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        # The agent keeps the time and says why there is no token yet: so long it has for that.
        timeout = self._timeout + 2
        if hasattr(socket, "AF_UNIX"):
            return _agent.ask(method, params, timeout=timeout, program=self._program)
        by_command = {"token.get": _command.get_token, "token.reject": _command.reject}.get(method)
        if by_command is None:
            raise CredHelperError("passwords take Unix sockets, which this Python has not", kind="method_not_found")
        return by_command(params, timeout=timeout, program=self._program)
