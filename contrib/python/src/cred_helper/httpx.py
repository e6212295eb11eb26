"""``httpx.Auth`` with tokens of the agent, for every SDK that is built on httpx.

client = httpx.Client(auth=Auth("anthropic"))
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from functools import partial
from typing import TypeVar

import anyio.to_thread
import httpx

from ._client import Client
from ._errors import CredHelperError
from ._token import Token

Result = TypeVar("Result")

UNAUTHORIZED = 401
# The login's token, the one that its refresh brings, and the API key that stands in for the login.
MOST_ATTEMPTS = 3


class Auth(httpx.Auth):
    """Asks the agent for every request. A token that the server refuses (401) is reported, and the request is sent once
    more with the new one; where that is refused too and an API key is stored, once with the key.

    A request whose body is a stream that cannot be read again is sent once.
    """

    def __init__(
        self,
        account: str | None = None,
        *,
        audience: str | None = None,
        scope: Sequence[str] = (),
        client: Client | None = None,
    ) -> None:
        self._client = client or Client()
        self._account = account
        self._audience = audience
        self._scope = tuple(scope)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._get()
        for _ in range(MOST_ATTEMPTS):
            response = yield _with(request, token)
            if response.status_code != UNAUTHORIZED:
                return
            renewed = self._renewed(token)
            if renewed is None or not _can_repeat(request):
                return
            response.read()
            token = renewed

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        token = await _in_thread(self._get)
        for _ in range(MOST_ATTEMPTS):
            response = yield _with(request, token)
            if response.status_code != UNAUTHORIZED:
                return
            renewed = await _in_thread(partial(self._renewed, token))
            if renewed is None or not _can_repeat(request):
                return
            await response.aread()
            token = renewed

    def _get(self) -> Token:
        return self._client.get_token(self._account, audience=self._audience, scope=self._scope)

    def _renewed(self, refused: Token) -> Token | None:
        """Another credential than the one that was refused, if there is one. What the agent says against it is in
        `cred-helper status`: the caller gets the server's own answer."""
        try:
            rejection = self._client.reject(refused)
            token = self._get()
        except CredHelperError:
            return None
        new = token.secret != refused.secret
        return token if new and rejection.try_again else None


def _with(request: httpx.Request, token: Token) -> httpx.Request:
    # What an SDK put there is a placeholder, or the credential that was refused.
    for name in ("authorization", "x-api-key", "api-key"):
        request.headers.pop(name, None)
    for name, value in token.headers().items():
        if name.lower() == "anthropic-beta" and name in request.headers:
            value = _joined(request.headers[name], value)
        request.headers[name] = value
    return request


def _joined(there: str, more: str) -> str:
    """A list header keeps what the caller asked for."""
    words = [word.strip() for word in there.split(",")]
    return ",".join([*words, *(word for word in more.split(",") if word.strip() not in words)])


def _can_repeat(request: httpx.Request) -> bool:
    return hasattr(request, "_content") or isinstance(request.stream, httpx.ByteStream)


async def _in_thread(work: Callable[[], Result]) -> Result:
    return await anyio.to_thread.run_sync(work)


__all__ = ["Auth"]
