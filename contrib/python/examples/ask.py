"""Asks a model with the provider's own package and a login of cred-helper's.

python ask.py anthropic claude-sonnet-4-5 "Why is the sky blue?"
python ask.py openai gpt-5 "Why is the sky blue?"
"""

from __future__ import annotations

import sys

import anthropic
import openai

from cred_helper.httpx import Auth

# Each package wants a credential; this one is replaced in every request.
PLACEHOLDER = "cred-helper"


def anthropic_client(account: str, base_url: str | None = None) -> anthropic.Anthropic:
    http = anthropic.DefaultHttpxClient(auth=Auth(account))
    return anthropic.Anthropic(auth_token=PLACEHOLDER, base_url=base_url, http_client=http)


def openai_client(account: str, base_url: str | None = None) -> openai.OpenAI:
    http = openai.DefaultHttpxClient(auth=Auth(account))
    return openai.OpenAI(api_key=PLACEHOLDER, base_url=base_url, http_client=http)


def main() -> None:
    account, model, question = sys.argv[1:]
    if account.split("/")[0] == "anthropic":
        message = anthropic_client(account).messages.create(
            model=model, max_tokens=1024, messages=[{"role": "user", "content": question}]
        )
        print("".join(part.text for part in message.content if part.type == "text"))
    else:
        answer = openai_client(account).chat.completions.create(
            model=model, messages=[{"role": "user", "content": question}]
        )
        print(answer.choices[0].message.content)


if __name__ == "__main__":
    main()
