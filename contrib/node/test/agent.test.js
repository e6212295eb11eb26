// What goes over the socket, and what is made of what comes back.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { Client, createFetch, CredHelperError } from "../index.js";

const TOKEN = {
  account: "p/work", token: "t-1", kind: "access", token_type: "bearer", method: "oauth", source: "login",
  expires_at: 1790000000, headers: { "x-beta": "1" }, min_validity_met: true, persisted: true, something_new: { a: 1 },
};

let directory = "";
/** @type {net.Server | undefined} */
let server;
/** @type {any[]} */
let seen = [];

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), "cred-helper-"));
  process.env.CRED_HELPER_SOCK = path.join(directory, "agent.sock");
  seen = [];
});

afterEach(async () => {
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
  delete process.env.CRED_HELPER_SOCK;
  await rm(directory, { recursive: true });
});

/**
 * An agent that says what a test tells it to.
 * @param {(request: any) => object | string} answer
 */
async function agent(answer) {
  server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (data) => {
      const request = JSON.parse(String(data));
      seen.push(request);
      const text = answer(request);
      socket.end(typeof text === "string" ? text : JSON.stringify({ jsonrpc: "2.0", id: request.id, ...text }) + "\n");
    });
  });
  await new Promise((resolve) => server?.listen(process.env.CRED_HELPER_SOCK, () => resolve(undefined)));
}

test("a token, and what an API wants beside it", async () => {
  await agent(() => ({ result: TOKEN }));
  const token = await new Client({ timeout: 7 }).getToken({ account: "p/work", scope: ["r"], minValidity: 0.5 });
  assert.deepEqual(seen[0].params, { account: "p/work", scope: ["r"], min_validity: 1, deadline: 7 });
  assert.deepEqual(token.headers, { "x-beta": "1", Authorization: "Bearer t-1" });
  assert.equal(token.expiresAt, 1790000000);
});

// An agent with two places in its line that does nothing until its standard input ends.
const BUSY = `
  const server = require("net").createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (data) => {
      socket.end(JSON.stringify({ jsonrpc: "2.0", id: JSON.parse(data).id, result: ${JSON.stringify(TOKEN)} }) + "\\n");
      server.close();
    });
  });
  server.listen({ path: process.env.CRED_HELPER_SOCK, backlog: 1 }, () => {
    require("fs").writeSync(1, "ready");
    require("fs").readSync(0, Buffer.alloc(1));
  });`;

test("where others are in the way it asks again", { skip: process.platform !== "linux" }, async (t) => {
  const busy = spawn(process.execPath, ["-e", BUSY], { stdio: ["pipe", "pipe", "inherit"] });
  await once(busy.stdout, "data");
  const place = String(process.env.CRED_HELPER_SOCK);
  const others = [net.connect(place), net.connect(place)];
  t.after(() => busy.kill());
  t.after(() => others.forEach((other) => other.destroy()));
  await Promise.all(others.map((other) => once(other, "connect")));
  await assert.rejects(new Client({ timeout: 0.02 }).getToken(), /did not answer in time/);
  const asked = new Client({ timeout: 30 }).getToken();
  busy.stdin.end();
  assert.equal((await asked).token, "t-1");
});

test("a key goes where its API wants it", async () => {
  await agent(() => ({ result: { ...TOKEN, method: "api_key", key_header: "x-api-key" } }));
  const { headers } = await new Client().getToken();
  assert.deepEqual(headers, { "x-beta": "1", "x-api-key": "t-1" });
});

test("notifications before the answer are none", async () => {
  const news = '{"jsonrpc":"2.0","method":"event","params":{}}\n';
  await agent(() => `${news}{"jsonrpc":"2.0","id":1,"result":{"outcome":"refreshed"}}\n`);
  assert.equal((await new Client().reject("t-1")).outcome, "refreshed");
});

test("an error says what to do", async () => {
  const data = { kind: "login_required", account: "p", retry_at: 7 };
  await agent(() => ({ error: { code: -32001, message: "p: run `cred-helper login p`", data } }));
  await assert.rejects(new Client().getToken(), { kind: "login_required", account: "p", retryAt: 7, message: /login p/ });
});

test("what is no agent is not repeated", async () => {
  for (const text of ["HTTP/1.1 400\r\n\r\n", "[1]\n", '{"id":1', ""]) {
    await agent(() => text);
    await assert.rejects(new Client().getToken(), (error) => {
      assert(error instanceof CredHelperError);
      return error.kind === "agent_unreachable" && !error.message.includes("HTTP");
    });
    await new Promise((resolve) => server?.close(resolve));
  }
});

test("a socket in a directory where others may put one gets nothing", async () => {
  await agent(() => ({ result: TOKEN }));
  await chmod(directory, 0o777);
  await assert.rejects(new Client({ program: "no-such-program" }).reject("t-1"), { kind: "agent_unreachable" });
  assert.deepEqual(seen, []);
});

test("no agent and no program, or one that says why not", async () => {
  const none = new Client({ program: "no-such-program" });
  await assert.rejects(none.getToken(), { kind: "agent_unreachable", message: /no `no-such-program` on the PATH/ });
  const program = path.join(directory, "cred-helper");
  await writeFile(program, "#!/bin/sh\necho 'not in this home' >&2; exit 28\n", { mode: 0o755 });
  await assert.rejects(new Client({ program }).getToken(), { message: "not in this home" });
});

test("a refused token is reported, the request sent once more, and its body with it", async () => {
  let tokens = 0;
  await agent(({ method }) =>
    method === "token.get" ? { result: { ...TOKEN, token: `t-${++tokens}` } } : { result: { outcome: "refreshed" } },
  );
  /** @type {string[]} */
  const sent = [];
  const send = /** @type {typeof fetch} */ (async (input) => {
    const request = /** @type {Request} */ (input);
    sent.push(`${request.headers.get("authorization")} ${request.headers.get("x-api-key")} ${await request.text()}`);
    return new Response("", { status: sent.length === 1 ? 401 : 200 });
  });
  const fetched = createFetch({ account: "p/work" }, { fetch: send });
  const headers = { authorization: "Bearer placeholder", "x-api-key": "placeholder" };
  const response = await fetched("http://127.0.0.1:9/", { method: "POST", body: "b", headers });
  assert.equal(response.status, 200);
  assert.deepEqual(sent, ["Bearer t-1 null b", "Bearer t-2 null b"]);
  const rejected = seen.find(({ method }) => method === "token.reject");
  assert.deepEqual(rejected.params, { account: "p/work", token: "t-1" });
});

test("a refusal that brings no other token is the server's own answer", async () => {
  await agent(({ method }) => ({ result: method === "token.get" ? TOKEN : { outcome: "unknown_token" } }));
  let requests = 0;
  const send = /** @type {typeof fetch} */ (async () => new Response("no", { status: 401 + 0 * ++requests }));
  const response = await createFetch({}, { fetch: send })("http://127.0.0.1:9/");
  assert.equal(`${response.status} ${await response.text()} ${requests}`, "401 no 1");
});

test("a stream that cannot be read again is sent once", async () => {
  await agent(({ method }) => ({ result: method === "token.get" ? TOKEN : { outcome: "refreshed" } }));
  let requests = 0;
  const send = /** @type {typeof fetch} */ (async () => new Response("", { status: 401 + 0 * ++requests }));
  const body = new Blob(["b"]).stream();
  const init = /** @type {RequestInit} */ ({ method: "POST", body, duplex: "half" });
  await createFetch({}, { fetch: send })("http://127.0.0.1:9/", init);
  assert.equal(requests, 1);
});

test("what a caller asks of the API's betas stays", async () => {
  await agent(() => ({ result: { ...TOKEN, headers: { "anthropic-beta": "oauth" } } }));
  const send = /** @type {typeof fetch} */ (
    async (input) => new Response(/** @type {Request} */ (input).headers.get("anthropic-beta"))
  );
  const response = await createFetch({}, { fetch: send })("http://127.0.0.1:9/", { headers: { "anthropic-beta": "a, oauth" } });
  assert.equal(await response.text(), "a,oauth");
});
