"""The real agent, the real packages of the providers, and an API that refuses expired tokens.

``tests/run`` starts these with a home in which somebody is signed in at loopback authorization servers: as ``short``,
and as ``lasting/...`` for each test, because an agent doesn't refresh twice in a minute for a token that is refused.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest
from ask import anthropic_client, openai_client

from api import KEY, Api
from cred_helper import Client, CredHelperError
from cred_helper.httpx import Auth
from cred_helper.keyring import Keyring, NotKept, Wider

# What tells live tokens, at a server whose tokens last for an hour and at one where they last for two seconds.
LASTING = os.environ.get("CRED_HELPER_TEST_LASTING", "")
SHORT = os.environ.get("CRED_HELPER_TEST_SHORT", "")

pytestmark = pytest.mark.skipif(not LASTING, reason="tests/run starts these with an agent")


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api(LASTING)
    yield api
    api.close()


def test_a_token_is_asked_for_at_every_request_and_outlives_its_end() -> None:
    api = Api(SHORT)
    with httpx.Client(auth=Auth("short")) as client:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            client.post(f"{api.url}/v1/messages", json={})
        assert client.post(f"{api.url}/v1/messages", json={}).status_code == 200
    api.close()
    assert len(set(api.seen)) > 1


def test_a_refused_token_is_reported_and_the_request_sent_once_more(api: Api) -> None:
    first = Client().get_token("lasting/py-sync")
    api.refused.add(first.secret)
    with httpx.Client(auth=Auth("lasting/py-sync")) as client:
        answer = client.post(f"{api.url}/v1/messages", json={"x": 1})
    assert answer.status_code == 200
    assert api.seen[0] == first.secret and len(set(api.seen)) == 2


def test_the_same_in_an_event_loop(api: Api) -> None:
    async def ask() -> list[int]:
        async with httpx.AsyncClient(auth=Auth("lasting/py-loop")) as client:
            api.refused.add(Client().get_token("lasting/py-loop").secret)
            asked = (client.post(f"{api.url}/v1/messages", json={}) for _ in range(8))
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert asyncio.run(ask()) == [200] * 8
    assert len(set(api.seen)) == 2, "one refresh for all of them"


def test_anthropics_own_package(api: Api) -> None:
    api.refused.add(Client().get_token("lasting/py-anthropic").secret)
    client = anthropic_client("lasting/py-anthropic", base_url=api.url)
    message = client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}])
    assert message.content[0].type == "text" and message.content[0].text == "hello"
    assert api.headers[-1]["x-of-the-api"] == "1", "the headers that the API wants come with the token"


def test_openais_own_package(api: Api) -> None:
    api.refused.add(Client().get_token("lasting/py-openai").secret)
    client = openai_client("lasting/py-openai", base_url=f"{api.url}/v1")
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert answer.choices[0].message.content == "hello"


def test_a_stream_that_cannot_be_read_again_is_sent_once(api: Api) -> None:
    api.refused.add(Client().get_token("lasting/py-stream").secret)
    with httpx.Client(auth=Auth("lasting/py-stream")) as client:
        answer = client.post(f"{api.url}/v1/messages", content=iter([b"{", b"}"]))
    assert answer.status_code == 401 and len(api.seen) == 1


def test_an_account_that_nobody_signed_in_to_is_an_error_that_says_so() -> None:
    with pytest.raises(CredHelperError) as raised, httpx.Client(auth=Auth("nobody/here")) as client:
        client.get("http://127.0.0.1:9/")
    assert raised.value.kind in ("login_required", "unknown_account")
    assert "cred-helper" in str(raised.value) or "provider" in str(raised.value)


def test_a_stored_key_stands_in_for_a_login_that_is_refused_for_good(api: Api) -> None:
    stored = subprocess.run(
        ["cred-helper", "api-key", "set", "lasting/py-key"], input=KEY, text=True, capture_output=True
    )
    assert stored.returncode == 0, stored.stderr
    api.refuse_every_token = True
    with httpx.Client(auth=Auth("lasting/py-key")) as client:
        assert client.post(f"{api.url}/v1/messages", json={}).status_code == 200
        assert api.seen[-1] == "key" and len(api.seen) == 3, "the login's token, the one its refresh brought, the key"
        assert client.post(f"{api.url}/v1/messages", json={}).status_code == 200
    assert api.seen[-1] == "key" and len(api.seen) == 4
    token = Client().get_token("lasting/py-key")
    assert token.method == "api_key" and token.fallback_since and token.fallback_reason
    subprocess.run(["cred-helper", "api-key", "remove", "lasting/py-key"], check=True, capture_output=True)


def test_a_password_of_keyrings_is_kept_by_the_agent_and_what_other_tools_keep_is_wider() -> None:
    url, ring = "https://pypi.example/simple/", Keyring()
    ring.set_password(url, "ada", "typed")
    kept = subprocess.run(["cred-helper", "password", "list"], text=True, capture_output=True, check=True).stdout
    assert "https://pypi.example/simple" in kept and "ada" in kept
    assert ring.get_password(url, "ada") == "typed" and ring.get_password(url + "x/", "ada") is None
    assert Wider().get_password(url + "x/", "ada") == "typed"
    with pytest.raises(NotKept, match="account's token"):
        ring.set_password(url, "ada", Client().get_token("lasting/py-sync").secret)
    assert ring.get_password(url, "ada") is None, "not what was there before"
    ring.set_password(url, "ada", "typed")
    ring.delete_password(url, "ada")
    assert Wider().get_password(url, "ada") is None
    # Without an authority no URL is anybody's.
    with pytest.raises(NotKept):
        ring.set_password("https:///pypi.example/simple/", "ada", "typed")
