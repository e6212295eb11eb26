// The real agent, the providers' own packages, and an API that refuses expired tokens. The project's tests/run starts these
// with a home in which somebody is signed in at loopback authorization servers: as `short`, where tokens last for two seconds,
// and as `lasting/...` for each test, because an agent doesn't refresh twice in a minute for a token that is refused.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import http from "node:http";
import { after, before, beforeEach, test } from "node:test";
import { anthropic, openai } from "../examples/ask.js";
import { Client, createFetch } from "../index.js";

// What tells live tokens.
const { CRED_HELPER_TEST_LASTING: lasting = "", CRED_HELPER_TEST_SHORT: short = "" } = process.env;
const skip = lasting === "" && "tests/run starts these with an agent";
const KEY = "key-of-the-tests";

const MESSAGE = {
  id: "m", type: "message", role: "assistant", model: "m", stop_reason: "end_turn", stop_sequence: null,
  content: [{ type: "text", text: "hello" }], usage: { input_tokens: 1, output_tokens: 1 },
};
const COMPLETION = {
  id: "c", object: "chat.completion", created: 1, model: "m",
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hello" } }],
};

/** @type {string[]} */
let seen = [];
/** @type {Set<string>} */
let refused = new Set();
let refuseEveryToken = false;
let url = "";
let resource = lasting;
/** @type {http.IncomingHttpHeaders} */
let headers = {};

/** @param {http.IncomingHttpHeaders} sent */
async function takes({ authorization, "x-api-key": key }) {
  if ((key === undefined) === (authorization === undefined)) return false;
  if (key === KEY || authorization === `Bearer ${KEY}`) return seen.push("key") > 0;
  const token = authorization?.replace("Bearer ", "") ?? "";
  seen.push(token);
  if (refuseEveryToken || refused.has(token)) return false;
  return (await fetch(resource, { headers: { Authorization: `Bearer ${token}` } })).ok;
}

const server = http.createServer(async (request, response) => {
  request.resume();
  headers = request.headers;
  const taken = await takes(request.headers);
  const body = request.url?.endsWith("messages") ? MESSAGE : COMPLETION;
  response.writeHead(taken ? 200 : 401, { "content-type": "application/json" });
  response.end(JSON.stringify(taken ? body : { type: "error", error: { type: "authentication_error", message: "no" } }));
});

before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
});
after(() => server.close());
beforeEach(() => {
  [seen, refused, refuseEveryToken, resource] = [[], new Set(), false, lasting];
});

/** @param {string} account */
const refuseTheFirst = async (account) => refused.add((await new Client().getToken({ account })).token);

test("a token is asked for at every request and outlives its end", { skip }, async () => {
  resource = short;
  const fetched = createFetch({ account: "short" });
  const ask = () => fetched(`${url}/v1/messages`, { method: "POST", body: "{}" });
  const end = Date.now() + 5000;
  while (Date.now() < end) await ask();
  assert.equal((await ask()).status, 200);
  assert(new Set(seen).size > 1);
});

test("eight requests with a refused token cost one refresh", { skip }, async () => {
  await refuseTheFirst("lasting/js-eight");
  const fetched = createFetch({ account: "lasting/js-eight" });
  const asked = Array.from({ length: 8 }, () => fetched(`${url}/v1/messages`, { method: "POST", body: "{}" }));
  const statuses = (await Promise.all(asked)).map(({ status }) => status);
  assert.deepEqual(statuses, Array(8).fill(200));
  assert.equal(new Set(seen).size, 2);
});

test("Anthropic's own package", { skip }, async () => {
  await refuseTheFirst("lasting/js-anthropic");
  const messages = [{ role: /** @type {const} */ ("user"), content: "hi" }];
  const message = await anthropic("lasting/js-anthropic", url).messages.create({ model: "m", max_tokens: 1, messages });
  assert.equal(message.content[0]?.type === "text" && message.content[0].text, "hello");
  assert.equal(headers["x-of-the-api"], "1", "the headers that the API wants come with the token");
});

test("OpenAI's own package", { skip }, async () => {
  await refuseTheFirst("lasting/js-openai");
  const client = openai("lasting/js-openai", `${url}/v1`);
  const answer = await client.chat.completions.create({ model: "m", messages: [{ role: "user", content: "hi" }] });
  assert.equal(answer.choices[0]?.message.content, "hello");
});

test("a stored key stands in for a login that is refused for good", { skip }, () => withKey("lasting/js-key", async () => {
  refuseEveryToken = true;
  const fetched = createFetch({ account: "lasting/js-key" });
  const ask = () => fetched(`${url}/v1/messages`, { method: "POST", body: "{}" });
  assert.equal((await ask()).status, 200);
  assert.deepEqual([seen.length, seen.at(-1)], [3, "key"], "the login's token, the one its refresh brought, the key");
  assert.equal((await ask()).status, 200);
  assert.deepEqual([seen.length, seen.at(-1)], [4, "key"]);
  const token = await new Client().getToken({ account: "lasting/js-key" });
  assert(token.method === "api_key" && token.fallbackSince && token.fallbackReason);
}));

/**
 * @param {string} account
 * @param {() => Promise<void>} work
 */
async function withKey(account, work) {
  const stored = spawnSync("cred-helper", ["api-key", "set", account], { input: KEY, encoding: "utf8" });
  assert.equal(stored.status, 0, stored.stderr);
  try {
    await work();
  } finally {
    spawnSync("cred-helper", ["api-key", "remove", account]);
  }
}
