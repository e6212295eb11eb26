"""A backend of Python's keyring (https://pypi.org/project/keyring), which twine, poetry and pip (`import`) ask.

It is found where both packages are installed, and asked before the others: for a URL that an account answers for
([targets] in cred-helper.toml(5)) it has a fresh token as the password; for everything else it has nothing, and keyring
goes on to its next backend. It stores nothing.
"""

from __future__ import annotations

import re
import sys
from urllib.parse import quote

from keyring.backend import KeyringBackend
from keyring.compat import properties
from keyring.credentials import Credential, SimpleCredential

from ._client import Client
from ._errors import CredHelperError
from ._token import Token

# The user that indexes take tokens for, where nobody names one.
USERNAME = "__token__"
# What poetry puts in the place of no user, and before the name of a repository.
NO_USER = "__poetry_source_empty_username__"
POETRY = "poetry-repository-"


class Keyring(KeyringBackend):
    """Fresh tokens for the URLs that accounts answer for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @properties.classproperty
    def priority(cls) -> float:
        return 9  # before every store of passwords, below the chainer that asks them all

    def get_password(self, service: str, username: str | None) -> str | None:
        token = _token(service, username)
        return None if token is None else token.secret

    def get_credential(self, service: str, username: str | None) -> Credential | None:
        token = _token(service, username)
        if token is None:
            return None
        return SimpleCredential(username or token.username or USERNAME, token.secret)

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError("cred-helper keeps no passwords")  # the chainer asks the next one

    def delete_password(self, service: str, username: str) -> None:
        raise NotImplementedError("cred-helper keeps no passwords")


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


def _token(service: str, username: str | None) -> Token | None:
    """Why there is none is one line for the person: an exception would be a page of Python, or not be told at all."""
    url = target(service, username)
    if url is None:
        return None
    try:
        return Client().get_token(target=url)
    except CredHelperError as error:
        if error.kind != "unknown_target":
            print(f"cred-helper: {error}", file=sys.stderr)
        return None
