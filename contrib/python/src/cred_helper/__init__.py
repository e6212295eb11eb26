"""Fresh access tokens from cred-helper, the OAuth token agent of a machine.

    import cred_helper

    token = cred_helper.Client().get_token("anthropic")
    request.headers.update(token.headers())

Ask for every request: the agent answers from memory, refreshes ahead, and alone sees the refresh token.
``cred_helper.httpx.Auth`` does it for every SDK that is built on httpx.
"""

from ._client import Client
from ._errors import AgentUnreachable, CredHelperError
from ._token import Rejection, Stored, Token

__all__ = ["AgentUnreachable", "Client", "CredHelperError", "Rejection", "Stored", "Token"]
__version__ = "0.1.0"
