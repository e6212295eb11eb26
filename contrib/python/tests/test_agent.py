"""What goes over the socket, and what is made of what comes back."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cred_helper import AgentUnreachable, Client, CredHelperError, _agent
from stub import Answer, Stub

TOKEN = {
    "account": "p/work",
    "token": "t-1",
    "kind": "access",
    "token_type": "bearer",
    "method": "oauth",
    "source": "login",
    "expires_at": 1790000000,
    "headers": {"x-beta": "1"},
    "api_host": "api.example",
    "min_validity_met": True,
    "persisted": True,
    "something_new": {"a": 1},
}


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], Stub]]:
    stubs: list[Stub] = []

    def start(answer: Answer) -> Stub:
        path = tmp_path / f"{len(stubs)}.sock"
        stubs.append(Stub(path, answer))
        monkeypatch.setenv("CRED_HELPER_SOCK", str(path))
        return stubs[-1]

    yield start
    for stub in stubs:
        stub.close()


def test_a_token_and_what_an_api_wants_beside_it(agent: Callable[[Answer], Stub]) -> None:
    stub = agent(lambda _: {"result": TOKEN})
    token = Client(timeout=7).get_token("p/work", audience="https://a", scope=["r", "w"], min_validity=0.5)
    params = {"account": "p/work", "audience": "https://a", "scope": ["r", "w"], "min_validity": 1, "deadline": 7}
    assert stub.seen[0]["method"] == "token.get" and stub.seen[0]["params"] == params
    assert token.headers() == {"x-beta": "1", "Authorization": "Bearer t-1"}
    assert (token.expires_at, token.account) == (1790000000, "p/work")
    assert "t-1" not in repr(token)


def test_a_password_is_kept_told_and_forgotten(agent: Callable[[Answer], Stub]) -> None:
    url, said = "https://h.example/x", {"username": "ada", "fingerprint": "", "exact": True}
    answers: dict[str, dict[str, object]] = {
        "password.store": {"outcome": "account_answers", "account": "p/work"},
        "password.remove": {"passwords": [{"url": url, "username": "ada"}]},
        "token.get": {**TOKEN, "method": "password", "for_target": said},
    }
    stub = agent(lambda request: {"result": answers[request["method"]]})
    stored = Client().store_password(url, "ada", "p-1")
    assert (stored.outcome, stored.account) == ("account_answers", "p/work")
    token = Client().get_token(target=url, or_password_for=url)
    assert (token.method, token.username, token.exact) == ("password", "ada", True)
    assert Client().remove_password(url, "ada")
    answers["password.remove"] = {"passwords": []}
    assert not Client().remove_password(url, "ada")
    assert [sorted(request["params"]) for request in stub.seen[:3]] == [
        ["password", "url", "username"],
        ["deadline", "or_password_for", "target"],
        ["url", "username"],
    ]


def test_a_key_goes_where_its_api_wants_it(agent: Callable[[Answer], Stub]) -> None:
    agent(lambda _: {"result": {**TOKEN, "method": "api_key", "key_header": "x-api-key"}})
    assert Client().get_token().headers() == {"x-beta": "1", "x-api-key": "t-1"}


def test_notifications_before_the_answer_are_none(agent: Callable[[Answer], Stub]) -> None:
    news = b'{"jsonrpc":"2.0","method":"event","params":{"id":1}}\n'
    agent(lambda _: news + b'{"jsonrpc":"2.0","id":1,"result":{"outcome":"refreshed","account":"p"}}\n')
    rejection = Client().reject("t-1", account="p")
    assert rejection.try_again and rejection.account == "p"


def test_where_others_are_in_the_way_it_waits_for_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s"
    monkeypatch.setenv("CRED_HELPER_SOCK", str(path))
    stub = Stub(path, lambda _: {"result": TOKEN}, place=0)
    other = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    other.connect(str(path))
    with pytest.raises(AgentUnreachable, match="did not answer within"):
        _agent.ask("token.get", {}, timeout=0.01, program="no-such-program")
    stub.begin()
    other.close()
    assert Client(timeout=10).get_token().secret == "t-1"
    stub.close()


def test_an_error_says_what_to_do(agent: Callable[[Answer], Stub]) -> None:
    error = {
        "code": -32001,
        "message": "p: run `cred-helper login p`",
        "data": {"kind": "login_required", "account": "p", "retry_at": 7},
    }
    agent(lambda _: {"error": error})
    with pytest.raises(CredHelperError, match="cred-helper login p") as raised:
        Client().get_token()
    assert (raised.value.kind, raised.value.account, raised.value.retry_at) == ("login_required", "p", 7)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400\r\n\r\n", b"[1]\n", b'{"id":1'])
def test_what_is_no_agent_is_not_repeated(agent: Callable[[Answer], Stub], answer: bytes) -> None:
    agent(lambda _: answer)
    with pytest.raises(AgentUnreachable) as raised:
        Client().get_token()
    assert "HTTP" not in str(raised.value)


def test_another_users_socket_gets_nothing(agent: Callable[[Answer], Stub], monkeypatch: pytest.MonkeyPatch) -> None:
    stub = agent(lambda _: {"result": TOKEN})
    # The stub's user is root's or ours; to a third one it is a stranger.
    monkeypatch.setattr(_agent, "_ours", lambda: (4711,))
    with pytest.raises(AgentUnreachable, match="another user"):
        Client().reject("t-1")
    assert stub.seen == []


def test_no_agent_and_no_program_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRED_HELPER_SOCK", str(tmp_path / "none"))
    with pytest.raises(AgentUnreachable, match="no `no-such-program` on the PATH"):
        Client(program="no-such-program").get_token()


def test_what_stops_the_agent_from_starting_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "cred-helper"
    program.write_text("#!/bin/sh\necho 'cred-helper: the home is another users' >&2\nexit 28\n")
    program.chmod(0o755)
    monkeypatch.setenv("CRED_HELPER_SOCK", str(tmp_path / "none"))
    with pytest.raises(AgentUnreachable, match="another users"):
        Client(program=str(program)).get_token()


def test_without_sockets_the_command_line_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "cred-helper"
    asked = tmp_path / "asked"
    program.write_text(f"""#!/bin/sh
echo "$@" >> {asked}
case $1 in
  get-token) echo '{{"account":"p","token":"t-1"}}' ;;
  *) cat >> {asked}; echo '{{"outcome":"refreshed"}}' ;;
esac
""")
    program.chmod(0o755)
    monkeypatch.delattr("socket.AF_UNIX")
    client = Client(program=str(program))
    assert client.get_token("p", scope=["a"]).headers() == {"Authorization": "Bearer t-1"}
    assert client.reject("t-2").outcome == "refreshed"
    with pytest.raises(CredHelperError, match="Unix sockets") as raised:
        client.store_password("https://h.example/x", "ada", "p-1")
    assert raised.value.kind == "method_not_found"
    words = asked.read_text().splitlines()
    assert words[0].startswith("get-token --format json --timeout 32s --scope a -- p")
    assert words[1:] == ["reject --json", "t-2"]


def test_the_exit_codes_of_the_command_line_are_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "cred-helper"
    program.write_text("#!/bin/sh\necho 'cred-helper: run cred-helper unlock' >&2; exit 14\n")
    program.chmod(0o755)
    monkeypatch.delattr("socket.AF_UNIX")
    with pytest.raises(CredHelperError, match=r"^run cred-helper unlock$") as raised:
        Client(program=str(program)).get_token()
    assert raised.value.kind == "vault_locked"
