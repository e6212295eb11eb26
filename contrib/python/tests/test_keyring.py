"""What twine, poetry and pip ask keyring, and what its backend makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from keyring import backend
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend
from keyring.compat import properties
from keyring.credentials import Credential, SimpleCredential
from keyring.errors import PasswordDeleteError, PasswordSetError

from cred_helper.keyring import Keyring, NotKept, NotThere, Wider, place, target
from stub import Answer, Stub

URL = "https://pypi.example/simple/"
TOKEN = {"account": "p", "token": "t-1", "for_target": {"fingerprint": "f"}}


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], Stub]]:
    stubs: list[Stub] = []

    def start(answer: Answer) -> Stub:
        stubs.append(Stub(tmp_path / "agent.sock", answer))
        monkeypatch.setenv("CRED_HELPER_SOCK", str(tmp_path / "agent.sock"))
        return stubs[-1]

    yield start
    for stub in stubs:
        stub.close()


@pytest.mark.parametrize(
    ("service", "username", "url"),
    [
        (URL, None, URL),
        (URL, "ada", "https://ada@pypi.example/simple/"),
        ("https://pypi.example:8443", "a@b/c:d", "https://a%40b%2Fc%3Ad@pypi.example:8443"),
        ("https://bob@pypi.example/", "ada", "https://bob@pypi.example/"),
        ("https://pypi.example/x@y", "ada", "https://ada@pypi.example/x@y"),
        ("poetry-repository-internal", "__token__", "poetry://internal"),
        ("poetry-repository-internal", "__poetry_source_empty_username__", None),
        ("poetry-repository-internal", None, None),
        (URL, "__poetry_source_empty_username__", URL),
        ("pypi.example", "ada", None),
        ("python-poetry-check", "python-poetry", None),
    ],
)
def test_a_service_is_a_url_with_its_user(service: str, username: str | None, url: str | None) -> None:
    assert target(service, username) == url


def test_a_token_is_the_password_of_the_user_that_is_asked_for(agent: Callable[[Answer], Stub]) -> None:
    stub = agent(lambda _: {"result": TOKEN})
    assert Keyring().get_password(URL, "ada") == "t-1"
    url = "https://ada@pypi.example/simple/"
    assert stub.seen[0]["params"] == {"target": url, "or_password_for": url, "deadline": 30, "retry_for": 5}
    credential = Keyring().get_credential(URL, None)
    assert credential is not None and (credential.username, credential.password) == ("__token__", "t-1")
    credential = Keyring().get_credential(URL, "ada")
    assert credential is not None and credential.username == "ada"
    assert Keyring().get_password("pypi.example", "ada") is None and len(stub.seen) == 3


def test_the_rules_user_counts_where_none_is_asked_for(agent: Callable[[Answer], Stub]) -> None:
    agent(lambda _: {"result": {**TOKEN, "for_target": {"fingerprint": "f", "username": "of-the-rule"}}})
    credential = Keyring().get_credential(URL, None)
    assert credential is not None and credential.username == "of-the-rule"


@pytest.mark.parametrize(
    ("kind", "said"), [("unknown_target", ""), ("login_required", "cred-helper: p: run `cred-helper login p`\n")]
)
def test_nothing_here_is_not_a_word_and_a_missing_login_is_one_line(
    agent: Callable[[Answer], Stub], capsys: pytest.CaptureFixture[str], kind: str, said: str
) -> None:
    agent(lambda _: {"error": {"code": 1, "message": "p: run `cred-helper login p`", "data": {"kind": kind}}})
    assert Keyring().get_password(URL, "ada") is None
    assert capsys.readouterr().err == said


def test_an_agent_that_knows_no_urls_gives_no_other_accounts_token(
    agent: Callable[[Answer], Stub], capsys: pytest.CaptureFixture[str]
) -> None:
    agent(lambda _: {"result": {"account": "p", "token": "t-1"}})
    assert Keyring().get_password(URL, "ada") is None
    assert "agent restart" in capsys.readouterr().err


def test_keyring_finds_them_before_and_after_all_others() -> None:
    lines = (Path(__file__).parents[1] / "pyproject.toml").read_text().splitlines()
    entry = lines[lines.index('[project.entry-points."keyring.backends"]') + 1]
    name, _, module = entry.replace('"', "").partition(" = ")
    assert EntryPoint(name, module, "keyring.backends").load().Keyring is Keyring
    assert Keyring.viable and 1 <= Keyring.priority < 10, "the chainer is 10"
    assert Wider.viable and 0 < Wider.priority < 0.1, "the chainer passes over what is not above 0"


@pytest.mark.parametrize(
    ("service", "username", "url"),
    [
        (URL, "ada", URL),
        ("https://pypi.example:8443/x@y", "a@b/c", "https://pypi.example:8443/x@y"),
        ("poetry-repository-internal", "__token__", "poetry://internal"),
        ("poetry-repository-internal", "ada", None),
        ("poetry-repository-a@b", "__token__", None),
        ("https://pypi.example", "ada", None),
        ("https://pypi.example//", "ada", None),
        ("https://ada@pypi.example/simple/", "ada", None),
        ("https://pypi.example/simple/?a", "ada", None),
        ("https://pypi.example/simple/#a", "ada", None),
        ("pypi.example/simple", "ada", None),
        ("some-program", "ada", None),
        (URL, "", None),
        (URL, "__poetry_source_empty_username__", None),
    ],
)
def test_a_password_is_kept_for_the_url_of_an_index(service: str, username: str, url: str | None) -> None:
    assert place(service, username) == url


class Other(KeyringBackend):
    """Another backend of the chain."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    @properties.classproperty
    def priority(cls) -> float:
        return 5

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def get_credential(self, service: str, username: str | None) -> Credential | None:
        found = (key for key in self.kept if key[0] == service and username in (None, key[1]))
        return next((SimpleCredential(key[1], self.kept[key]) for key in found), None)

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError("not found")


def chain(monkeypatch: pytest.MonkeyPatch, *others: KeyringBackend) -> Any:
    """keyring's own, which asks each backend in turn."""
    monkeypatch.setattr(backend, "get_all_keyring", lambda: [Wider(), *others, Keyring()])
    return ChainerBackend()  # type: ignore[no-untyped-call]


class Passwords:
    """What an agent that has passwords alone answers. Where it keeps none it says ``not_kept``."""

    def __init__(self, not_kept: dict[str, Any] | None = None, kept: dict[tuple[str, str], str] | None = None) -> None:
        self.kept = kept or {}
        self._not_kept = not_kept

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        params = request["params"]
        match request["method"]:
            case "password.store" if self._not_kept is not None:
                return self._not_kept
            case "password.store":
                self.kept[params["url"], params["username"]] = params["password"]
                return {"result": {"outcome": "kept"}}
            case "password.remove":
                gone = self.kept.pop((params["url"], params["username"]), None)
                return {"result": {"passwords": [] if gone is None else [{"url": params["url"]}]}}
        user, at, rest = params["or_password_for"].removeprefix("https://").rpartition("@")
        for (url, username), password in self.kept.items():
            if f"https://{rest}".startswith(url) and (not at or user == username):
                said = {"username": username, "fingerprint": "", "exact": url == f"https://{rest}"}
                return {"result": {"account": url, "token": password, "method": "password", "for_target": said}}
        return {"error": {"code": 1, "message": "nothing here", "data": {"kind": "unknown_target"}}}


def test_a_password_that_was_set_is_handed_out_until_it_is_deleted(
    agent: Callable[[Answer], Stub], monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords, other = Passwords(), Other()
    agent(passwords)
    ring = chain(monkeypatch, other)
    ring.set_password(URL, "ada", "typed")
    assert passwords.kept == {(URL, "ada"): "typed"} and other.kept == {}
    assert ring.get_password(URL, "ada") == "typed" and ring.get_password(URL, "bob") is None
    credential = ring.get_credential(URL, None)
    assert (credential.username, credential.password) == ("ada", "typed")
    ring.delete_password(URL, "ada")
    assert ring.get_password(URL, "ada") is None
    with pytest.raises(PasswordDeleteError):
        ring.delete_password(URL, "ada")


def test_what_another_backend_has_for_the_url_stands_before_what_is_kept_for_a_wider_one(
    agent: Callable[[Answer], Stub], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Other()
    agent(Passwords(kept={("https://pypi.example", "ada"): "of git's"}))
    ring = chain(monkeypatch, other)
    assert ring.get_password(URL, "ada") == "of git's"
    other.kept = {(URL, "ada"): "exact", ("https://pypi.example", "ada"): "a program's"}
    assert ring.get_password(URL, "ada") == "exact" and ring.get_credential(URL, None).password == "exact"
    assert ring.get_password("https://pypi.example", "ada") == "a program's"
    ring.delete_password("https://pypi.example", "ada")
    assert ring.get_password("https://pypi.example", "ada") == "of git's", "which is git's to forget"
    ring.delete_password(URL, "ada")
    with pytest.raises(PasswordDeleteError):
        ring.delete_password(URL, "ada")


def failed(kind: str) -> dict[str, Any]:
    return {"error": {"code": 1, "message": "what to do", "data": {"kind": kind}}}


@pytest.mark.parametrize(
    ("not_kept", "why"),
    [
        ({"result": {"outcome": "account_answers", "account": "forge"}}, "forge answers there"),
        ({"result": {"outcome": "own_token"}}, "an account's token"),
        ({"result": {"outcome": "one_of_tomorrow"}}, "one_of_tomorrow"),
        (failed("invalid_params"), "what to do"),
    ],
)
def test_what_is_not_kept_goes_to_the_next_backend_and_nothing_stands_before_it(
    agent: Callable[[Answer], Stub], monkeypatch: pytest.MonkeyPatch, not_kept: dict[str, Any], why: str
) -> None:
    passwords, other = Passwords(not_kept, {(URL, "ada"): "old"}), Other()
    agent(passwords)
    ring = chain(monkeypatch, other)
    ring.set_password(URL, "ada", "new")
    assert ring.get_password(URL, "ada") == "new" and passwords.kept == {}
    with pytest.raises(PasswordSetError, match=why):
        Keyring().set_password(URL, "ada", "new")
    with pytest.raises(PasswordSetError):
        chain(monkeypatch).set_password(URL, "ada", "new")


@pytest.mark.parametrize("kind", ["method_not_found", "no_key_slot", "unknown_target"])
def test_an_agent_that_keeps_none_at_all_is_passed_over(
    agent: Callable[[Answer], Stub], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    agent(lambda _: failed(kind))
    ring = chain(monkeypatch, Other())
    ring.set_password(URL, "ada", "new")
    assert ring.get_password(URL, "ada") == "new"
    ring.delete_password(URL, "ada")
    assert ring.get_password(URL, "ada") is None


def test_where_the_vault_is_locked_the_person_is_told_and_nothing_is_kept_elsewhere(
    agent: Callable[[Answer], Stub], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent(lambda _: failed("vault_locked"))
    other = Other()
    ring = chain(monkeypatch, other)
    with pytest.raises(PasswordSetError, match=r"^cred-helper: what to do$"):
        ring.set_password(URL, "ada", "new")
    other.kept[URL, "ada"] = "old"
    with pytest.raises(PasswordDeleteError, match=r"^cred-helper: what to do$"):
        ring.delete_password(URL, "ada")
    assert other.kept == {(URL, "ada"): "old"}


def test_what_is_no_indexs_is_not_even_asked_for(
    agent: Callable[[Answer], Stub], monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = agent(Passwords())
    ring = chain(monkeypatch, Other())
    for service, username in [("some-program", "ada"), ("pypi.example", "ada"), ("poetry-repository-x", "ada")]:
        ring.set_password(service, username, "p")
        assert ring.get_password(service, username) == "p"
        ring.delete_password(service, username)
        assert ring.get_password(service, username) is None
    assert stub.seen == []
    ring.set_password("https://pypi.example", "ada", "p")
    assert stub.seen == []
    with pytest.raises(NotKept):
        Keyring().set_password("some-program", "ada", "p")
    with pytest.raises(NotThere):
        Keyring().delete_password("some-program", "ada")


@pytest.mark.parametrize("password", ["a\nb", "a\tb", "\x85"])
def test_a_password_that_not_every_tool_can_be_told_is_not_kept(
    agent: Callable[[Answer], Stub], monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    passwords = Passwords(kept={(URL, "ada"): "old"})
    agent(passwords)
    ring = chain(monkeypatch, Other())
    ring.set_password(URL, "ada", password)
    assert ring.get_password(URL, "ada") == password and passwords.kept == {}


def test_where_nothing_shall_answer_nothing_is_changed(agent: Callable[[Answer], Stub]) -> None:
    passwords = Passwords({"result": {"outcome": "nothing_answers"}}, {(URL, "ada"): "old"})
    agent(passwords)
    with pytest.raises(NotKept, match="nothing answers there"):
        Keyring().set_password(URL, "ada", "new")
    assert passwords.kept == {(URL, "ada"): "old"}
