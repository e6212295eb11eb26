"""Backends of Python's keyring (https://pypi.org/project/keyring), which twine, poetry and pip (`import`) ask.

They are found where both packages are installed. ``Keyring`` is asked before every other backend: for a URL that an
account answers for ([targets] in cred-helper.toml(5)) it has a fresh token as the password. Where none does it keeps
the passwords that are set for the URL of an index, and hands out those alone that are kept for the very URL. ``Wider``
is asked after every other backend: it hands out what is kept for a shorter URL of the same place, by whatever tool.

For everything else keyring goes on to its next backend: what another one has is found there, and nothing that is kept
here for another tool stands before it or is forgotten in its place.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from urllib.parse import quote

from keyring.backend import KeyringBackend
from keyring.compat import properties
from keyring.credentials import Credential, SimpleCredential
from keyring.errors import PasswordDeleteError, PasswordSetError

from ._client import Client
from ._errors import CredHelperError
from ._token import Token

# The user that indexes take tokens for, where nobody names one.
USERNAME = "__token__"
# What poetry puts in the place of no user, and before the name of a repository.
NO_USER = "__poetry_source_empty_username__"
POETRY = "poetry-repository-"
# How long a refresh that fails is tried again: who asks goes to the network itself. Seconds.
RETRY_FOR = 5
# Errors with which no password is here in any case. With others there may be an older one, which would stand before
# what the next backend is given: then the person has to know.
NEVER_KEPT = ("agent_unreachable", "invalid_params", "method_not_found", "no_key_slot", "unknown_target")
WHY = {
    "own_token": "it is an account's token, which ends; [targets] says where the account answers",
    "nothing_answers": "nothing answers there, as the configuration says",
}


class NotKept(PasswordSetError, NotImplementedError):
    """To keyring's chainer: ask the next one. Where there is none, keyring's own error."""


class NotThere(PasswordDeleteError, NotImplementedError):
    """The same of a password that is to be forgotten."""


class _Asking(KeyringBackend):
    """What both hand out is the token or password of one answer."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def _token(self, service: str, username: str | None) -> Token | None:
        raise NotImplementedError

    def get_password(self, service: str, username: str | None) -> str | None:
        token = self._token(service, username)
        return None if token is None else token.secret

    def get_credential(self, service: str, username: str | None) -> Credential | None:
        token = self._token(service, username)
        if token is None:
            return None
        return SimpleCredential(username or token.username or USERNAME, token.secret)


class Keyring(_Asking):
    """Fresh tokens for the URLs that accounts answer for, and the passwords of other indexes."""

    @properties.classproperty
    def priority(cls) -> float:
        return 9  # before every store of passwords, below the chainer that asks them all

    def _token(self, service: str, username: str | None) -> Token | None:
        token = _answer(service, username, say=True)
        if token is None or token.method != "password":
            return token
        return token if token.exact and place(service, token.username or username) else None

    def set_password(self, service: str, username: str, password: str) -> None:
        url = place(service, username)
        if url is None:
            raise NotKept(
                "cred-helper keeps passwords for the URLs of indexes, with scheme and path and without a user "
                "(https://pypi.example/simple/), and poetry's tokens"
            )
        try:
            why = _keep(url, username, password)
        except CredHelperError as error:
            raise (NotKept if error.kind in NEVER_KEPT else PasswordSetError)(f"cred-helper: {error}") from None
        if why is not None:
            raise NotKept(f"cred-helper does not keep the password: {why}")

    def delete_password(self, service: str, username: str) -> None:
        url = place(service, username)
        try:
            gone = url is not None and Client().remove_password(url, username)
        except CredHelperError as error:
            raise (NotThere if error.kind in NEVER_KEPT else PasswordDeleteError)(f"cred-helper: {error}") from None
        if not gone:
            raise NotThere("cred-helper keeps no password for that URL and user")


class Wider(_Asking):
    """The passwords that are kept for a shorter URL of the same place, or for a whole host."""

    @properties.classproperty
    def priority(cls) -> float:
        return 0.01  # after every other backend

    def _token(self, service: str, username: str | None) -> Token | None:
        token = _answer(service, username, say=False)
        return token if token is not None and token.method == "password" else None

    def set_password(self, service: str, username: str, password: str) -> None:
        # As long as there is one that doesn't pass it on, the chainer can't take it for kept.
        raise PasswordSetError("no backend of keyring's keeps this password; cred-helper does for the URLs of indexes")

    def delete_password(self, service: str, username: str) -> None:
        raise PasswordDeleteError("no backend of keyring's has this password")


def place(service: str, username: str | None) -> str | None:
    """The URL that a password of keyring's is kept for here: an index's. A whole host is what git asks for: it would be
    told another program's secret, and have it forgotten when it is refused.
    """
    url = target(service, USERNAME if service.startswith(POETRY) and username == USERNAME else None)
    if url is None or not username or username == NO_USER or re.search(r"[?#]", url):
        return None
    authority, _, path = url.partition("://")[2].partition("/")
    if "@" in authority or not (path.strip("/") or service.startswith(POETRY)):
        return None
    return url


def target(service: str, username: str | None) -> str | None:
    """What is asked for as a URL, with its user. What has no scheme says nothing of whether the way is encrypted.

    Poetry names its repositories, and to publish it wants a token. What it installs from it asks for by name and then
    by URL: the name is the project's, which may have any URL for it.
    """
    if service.startswith(POETRY):
        return "poetry://" + service.removeprefix(POETRY) if username == USERNAME else None
    scheme, found, rest = service.partition("://")
    if not found:
        return None
    if not username or username == NO_USER or "@" in re.split(r"[/\\?#]", rest, maxsplit=1)[0]:
        return service
    return f"{scheme}://{quote(username, safe='')}@{rest}"


def _answer(service: str, username: str | None, *, say: bool) -> Token | None:
    """Why there is none is one line for the person: an exception would be a page of Python, or not be told at all."""
    url = target(service, username)
    if url is None:
        return None
    try:
        return Client().get_token(target=url, or_password_for=url, retry_for=RETRY_FOR)
    except CredHelperError as error:
        if say and error.kind != "unknown_target":
            print(f"cred-helper: {error}", file=sys.stderr)
        return None


def _keep(url: str, username: str, password: str) -> str | None:
    """Why it is not kept, if it is not. An older one is forgotten then: it would stand before the next backend's."""
    client = Client()
    if any(unicodedata.category(character) == "Cc" for character in password):
        why = "it has a control character, and not every tool could be told it"
    else:
        try:
            stored = client.store_password(url, username, password)
        except CredHelperError as error:
            if error.kind != "invalid_params":
                raise
            why = str(error)
        else:
            if stored.outcome == "kept":
                return None
            why = WHY.get(stored.outcome, f"{stored.account} answers there" if stored.account else stored.outcome)
            if stored.outcome == "nothing_answers":
                return why  # neither does an older one
    client.remove_password(url, username)
    return why
