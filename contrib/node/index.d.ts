/** Fresh access tokens from cred-helper, the OAuth token agent of a machine. */

export interface GetToken {
  /** `provider` or `provider/label`; without it, the default account. */
  account?: string;
  /** Access or ID token. */
  tokenType?: "access" | "id";
  /** The audience or resource it is for. */
  audience?: string;
  /** Scopes, where fewer than the login's are wanted. */
  scope?: string[];
  /** Seconds it has to remain valid. */
  minValidity?: number;
}

export interface ClientOptions {
  /** How long a question may take, in seconds; 30 by default. */
  timeout?: number;
  /** What starts the agent; `cred-helper` by default. */
  program?: string;
}

/** A token that is fresh now. Don't keep it: ask again for the next request. */
export interface Token {
  account: string;
  token: string;
  tokenType: string;
  /** `oauth` for a login, `api_key` for a stored key. */
  method: string;
  source: string;
  /** Unix time in seconds; undefined if nobody said. */
  expiresAt?: number;
  /** Every header of a request with it, what the provider's API wants beside it included. */
  headers: Record<string, string>;
  apiHost?: string;
  /** The API's URL, where the provider says it with the token. */
  apiBase?: string;
  identity?: string;
  /** Since when (Unix time) an API key stands in for the login, and why. */
  fallbackSince?: number;
  fallbackReason?: string;
  warning?: string;
}

export interface Rejection {
  /** `refreshed`, `already_replaced`, `unknown_token`, or one that this version doesn't know. */
  outcome: string;
  account?: string;
}

/** The agent, or the provider behind it, said no: the message says what to do, `kind` is one of cred-helper-protocol(7)'s. */
export class CredHelperError extends Error {
  readonly kind: string;
  readonly account?: string;
  readonly retryAt?: number;
}

/** Asks this user's agent, and starts it if none runs. It keeps nothing. */
export class Client {
  constructor(options?: ClientOptions);
  getToken(wanted?: GetToken): Promise<Token>;
  /** Reports a token that a server refused with 401: it is refreshed, once, for everybody. */
  reject(token: Token | string, account?: string): Promise<Rejection>;
}

/**
 * A `fetch` that asks the agent for every request. A token that the server refuses (401) is reported and the request sent once
 * more with the new one; where that is refused too and an API key is stored, once with the key. A body that is a stream is
 * sent once.
 */
export function createFetch(wanted?: GetToken, options?: { client?: Client; fetch?: typeof fetch }): typeof fetch;
