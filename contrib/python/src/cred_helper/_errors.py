"""What the agent says when there is no token. The message tells a person what to do; ``kind`` tells a program."""

from __future__ import annotations


class CredHelperError(Exception):
    """The agent, or the provider behind it, said no.

    ``kind`` is one of cred-helper-protocol(7)'s error kinds (``login_required``, ``temporarily_unavailable``,
    ``vault_locked``, ...), ``account`` the account it is about, ``retry_at`` the Unix time at which to ask again.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str = "internal",
        account: str | None = None,
        retry_at: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.account = account
        self.retry_at = retry_at


class AgentUnreachable(CredHelperError):
    """No agent answers, and none could be started."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="agent_unreachable")
