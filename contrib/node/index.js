// Tokens of the agent for any program, and a `fetch` that has them: see index.d.ts.

import { ask, CredHelperError } from "./agent.js";

export { CredHelperError };

// The login's token, the one that its refresh brings, and the API key that stands in for the login.
const MOST_ATTEMPTS = 3;
// What an SDK puts there is a placeholder, or the credential that was refused.
const CREDENTIAL_HEADERS = ["authorization", "x-api-key", "api-key"];

/** Asks this user's agent. */
export class Client {
  /** @param {import("./index.js").ClientOptions} [options] */
  constructor({ timeout = 30, program = "cred-helper" } = {}) {
    this.timeout = timeout;
    this.program = program;
  }

  /**
   * @param {import("./index.js").GetToken} [wanted]
   * @returns {Promise<import("./index.js").Token>}
   */
  async getToken({ account, tokenType, audience, scope, minValidity } = {}) {
    const deadline = Math.max(1, Math.ceil(this.timeout));
    const min_validity = minValidity === undefined ? undefined : Math.ceil(minValidity);
    const params = { account, token_type: tokenType, audience, scope, min_validity, deadline };
    return token(await this.#ask("token.get", params));
  }

  /**
   * @param {import("./index.js").Token | string} refused
   * @param {string} [account]
   * @returns {Promise<import("./index.js").Rejection>}
   */
  async reject(refused, account) {
    if (typeof refused !== "string") return this.reject(refused.token, account ?? refused.account);
    return this.#ask("token.reject", { account, token: refused });
  }

  /**
   * @param {string} method
   * @param {Record<string, unknown>} params
   */
  #ask(method, params) {
    // The agent keeps the time and says why there is no token yet: so long it has for that.
    return ask(method, params, { timeout: (this.timeout + 2) * 1000, program: this.program });
  }
}

/** @param {any} answer */
function token(answer) {
  const type = answer.token_type?.toLowerCase() === "bearer" ? "Bearer" : (answer.token_type ?? "Bearer");
  const own = answer.key_header ? { [answer.key_header]: answer.token } : { Authorization: `${type} ${answer.token}` };
  return {
    account: answer.account,
    token: answer.token,
    tokenType: type,
    method: answer.method ?? "oauth",
    source: answer.source ?? "login",
    expiresAt: answer.expires_at,
    headers: { ...answer.headers, ...own },
    apiHost: answer.api_host,
    apiBase: answer.api_base,
    identity: answer.identity,
    fallbackSince: answer.fallback_since,
    fallbackReason: answer.fallback_reason,
    warning: answer.warning,
  };
}

/**
 * @param {import("./index.js").GetToken} [wanted]
 * @param {{client?: Client, fetch?: typeof fetch}} [options]
 * @returns {typeof fetch}
 */
export function createFetch(wanted = {}, { client = new Client(), fetch: send = globalThis.fetch } = {}) {
  return async (input, init) => {
    let credential = await client.getToken(wanted);
    for (let attempt = 1; ; attempt++) {
      const request = withToken(new Request(input instanceof Request ? input.clone() : input, init), credential);
      const response = await send(request);
      if (response.status !== 401) return response;
      const renewed = await renew(client, wanted, credential);
      if (!renewed || attempt === MOST_ATTEMPTS || !canRepeat(input, init)) return response;
      await response.body?.cancel();
      credential = renewed;
    }
  };
}

/**
 * @param {Request} request
 * @param {import("./index.js").Token} credential
 */
function withToken(request, credential) {
  CREDENTIAL_HEADERS.forEach((name) => request.headers.delete(name));
  for (const [name, value] of Object.entries(credential.headers)) {
    // A list header keeps what the caller asked for.
    const there = name.toLowerCase() === "anthropic-beta" ? request.headers.get(name) : null;
    const words = new Set([...(there ?? "").split(","), ...value.split(",")].map((word) => word.trim()).filter(Boolean));
    request.headers.set(name, there === null ? value : [...words].join(","));
  }
  return request;
}

/**
 * Another credential than the one that was refused, if there is one. What the agent says against it is in `cred-helper
 * status`: the caller gets the server's own answer.
 * @param {Client} client
 * @param {import("./index.js").GetToken} wanted
 * @param {import("./index.js").Token} refused
 */
async function renew(client, wanted, refused) {
  try {
    const { outcome } = await client.reject(refused);
    const renewed = await client.getToken(wanted);
    return outcome !== "unknown_token" && renewed.token !== refused.token ? renewed : undefined;
  } catch (error) {
    if (error instanceof CredHelperError) return undefined;
    throw error;
  }
}

/**
 * @param {Parameters<typeof fetch>[0]} input
 * @param {RequestInit} [init]
 */
function canRepeat(input, init) {
  const body = init?.body;
  return !(body instanceof ReadableStream) && !(input instanceof Request && input.bodyUsed);
}
