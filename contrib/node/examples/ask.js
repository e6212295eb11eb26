// Asks a model with the provider's own package and a login of cred-helper's.
//
//   node ask.js anthropic claude-sonnet-4-5 "Why is the sky blue?"
//   node ask.js openai gpt-5 "Why is the sky blue?"

import { pathToFileURL } from "node:url";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { createFetch } from "cred-helper";

// Each package wants a credential; this one is replaced in every request.
const PLACEHOLDER = "cred-helper";

/**
 * @param {string} account
 * @param {string} [baseURL]
 */
export function anthropic(account, baseURL) {
  return new Anthropic({ authToken: PLACEHOLDER, apiKey: null, baseURL, fetch: createFetch({ account }) });
}

/**
 * @param {string} account
 * @param {string} [baseURL]
 */
export function openai(account, baseURL) {
  return new OpenAI({ apiKey: PLACEHOLDER, baseURL, fetch: createFetch({ account }) });
}

/**
 * @param {string} account
 * @param {string} model
 * @param {string} content
 */
async function ask(account, model, content) {
  if (account.split("/")[0] === "anthropic") {
    const messages = [{ role: /** @type {const} */ ("user"), content }];
    const message = await anthropic(account).messages.create({ model, max_tokens: 1024, messages });
    return message.content.map((part) => (part.type === "text" ? part.text : "")).join("");
  }
  const answer = await openai(account).chat.completions.create({ model, messages: [{ role: "user", content }] });
  return answer.choices[0]?.message.content ?? "";
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [account = "", model = "", question = ""] = process.argv.slice(2);
  console.log(await ask(account, model, question));
}
