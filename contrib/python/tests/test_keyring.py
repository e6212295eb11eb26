"""What twine, poetry and pip ask keyring, and what its backend makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from cred_helper.keyring import Keyring, target
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
    assert stub.seen[0]["params"] == {"target": "https://ada@pypi.example/simple/", "deadline": 30}
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


def test_keyring_finds_it_and_stores_passwords_elsewhere() -> None:
    lines = (Path(__file__).parents[1] / "pyproject.toml").read_text().splitlines()
    entry = lines[lines.index('[project.entry-points."keyring.backends"]') + 1]
    name, _, module = entry.replace('"', "").partition(" = ")
    assert EntryPoint(name, module, "keyring.backends").load().Keyring is Keyring
    assert Keyring.viable and 1 <= Keyring.priority < 10, "the chainer is 10"
    with pytest.raises(NotImplementedError):
        Keyring().set_password(URL, "ada", "pw")
    with pytest.raises(NotImplementedError):
        Keyring().delete_password(URL, "ada")
