"""A token, and what a request needs beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Token:
    """A token that is fresh now. Don't keep it: ask again for the next request."""

    account: str
    """``provider`` or ``provider/label``."""
    secret: str = field(repr=False)
    """The token itself. It is in no ``repr``."""
    token_type: str = "Bearer"
    method: str = "oauth"
    """``oauth`` for a login, ``api_key`` for a stored key, ``password`` for one that is kept for a URL."""
    source: str = "login"
    """Where it came from, for people."""
    expires_at: float | None = None
    """Unix time; ``None`` if nobody said."""
    api_headers: Mapping[str, str] = field(default_factory=dict)
    """What the provider's API wants beside the token."""
    key_header: str | None = None
    """The header that carries it, where that is not ``Authorization``."""
    api_host: str | None = None
    api_base: str | None = None
    """The API's URL, where the provider says it with the token."""
    identity: str | None = None
    """Who signed in, for people."""
    username: str | None = None
    """The user name beside which the target takes it for a password, where one is configured; whose password it is."""
    exact: bool = False
    """Of a password: whether it is kept for the very URL, and not for a shorter one."""
    fallback_since: float | None = None
    """Since when an API key stands in for the login, if it does."""
    fallback_reason: str | None = None
    warning: str | None = None
    """What a person ought to know, in one line."""

    def headers(self) -> dict[str, str]:
        """Every header of a request with this token."""
        if self.key_header:
            own = {self.key_header: self.secret}
        else:
            scheme = "Bearer" if self.token_type.lower() == "bearer" else self.token_type
            own = {"Authorization": f"{scheme} {self.secret}"}
        return {**self.api_headers, **own}

    @classmethod
    def _from_answer(cls, answer: Mapping[str, Any]) -> Token:
        """Fields that this version doesn't know are left alone: a newer agent may say more."""
        return cls(
            account=answer["account"],
            secret=answer["token"],
            token_type=answer.get("token_type") or "Bearer",
            method=answer.get("method") or "oauth",
            source=answer.get("source") or "login",
            expires_at=answer.get("expires_at"),
            api_headers=dict(answer.get("headers") or {}),
            key_header=answer.get("key_header"),
            api_host=answer.get("api_host"),
            api_base=answer.get("api_base"),
            identity=answer.get("identity"),
            username=(answer.get("for_target") or {}).get("username"),
            exact=(answer.get("for_target") or {}).get("exact") is True,
            fallback_since=answer.get("fallback_since"),
            fallback_reason=answer.get("fallback_reason"),
            warning=answer.get("warning"),
        )


@dataclass(frozen=True)
class Rejection:
    """What came of a token that was reported as refused."""

    outcome: str
    """``refreshed``, ``already_replaced``, ``unknown_token``, or one that this version doesn't know."""
    account: str | None = None

    @property
    def try_again(self) -> bool:
        """Whether another token is there."""
        return self.outcome != "unknown_token"


@dataclass(frozen=True)
class Stored:
    """What came of a password that the agent was asked to keep."""

    outcome: str
    """``kept``, or why not: ``own_token`` (an account's), ``account_answers``, ``nothing_answers``, or another one."""
    account: str | None = None
    """The account that answers there."""
