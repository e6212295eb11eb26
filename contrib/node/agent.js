// One question to the agent: JSON-RPC, one message per line, over its Unix socket or named pipe (cred-helper-protocol(7)).
// A connection is made for each question, so that nothing is shared and an upgraded agent is not noticed.

import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";

const MAX_ANSWER = 4 * 1024 * 1024;
const START_TIMEOUT = 30_000;

/** The message says what to do; `kind` is one of the protocol's error kinds. */
export class CredHelperError extends Error {
  /**
   * @param {string} message
   * @param {{kind?: string, account?: string, retryAt?: number}} [more]
   */
  constructor(message, { kind = "internal", account, retryAt } = {}) {
    super(message);
    this.name = "CredHelperError";
    this.kind = kind;
    this.account = account;
    this.retryAt = retryAt;
  }
}

/** @param {string} message */
const unreachable = (message) => new CredHelperError(message, { kind: "agent_unreachable" });

/**
 * Asks the agent that runs, or starts one.
 * @param {string} method
 * @param {Record<string, unknown>} params
 * @param {{timeout: number, program: string}} options timeout in milliseconds
 * @returns {Promise<any>}
 */
export async function ask(method, params, { timeout, program }) {
  const socket = (await connect(timeout)) ?? (await startAndConnect(timeout, program));
  socket.setTimeout(timeout);
  try {
    socket.write(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }) + "\n");
    return result(await readAnswer(socket));
  } finally {
    socket.destroy();
  }
}

/**
 * The answer: notifications may come before it.
 * @param {net.Socket} socket
 * @returns {Promise<any>}
 */
function readAnswer(socket) {
  return new Promise((resolve, reject) => {
    let rest = "";
    socket.setEncoding("utf8");
    socket.on("timeout", () => reject(unreachable("the agent did not answer in time")));
    socket.on("error", () => reject(unreachable("the connection to the agent broke; ask again")));
    socket.on("close", () => reject(unreachable("the agent closed the connection without an answer; ask again")));
    socket.on("data", (/** @type {string} */ text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > MAX_ANSWER) return reject(unreachable("the agent's answer has no end"));
      for (const line of lines) {
        const message = parse(line);
        if (message === undefined) return reject(unreachable("what listens at the agent's socket is no agent"));
        if ("result" in message || "error" in message) return resolve(message);
      }
    });
  });
}

/**
 * Text that is none of ours is not repeated: a token may be among it.
 * @param {string} line
 */
function parse(line) {
  try {
    const message = JSON.parse(line);
    return message && typeof message === "object" && !Array.isArray(message) ? message : undefined;
  } catch {
    return undefined;
  }
}

/** @param {any} answer */
function result(answer) {
  if (!answer.error) return answer.result;
  const { kind = "internal", account, retry_at: retryAt } = answer.error.data ?? {};
  throw new CredHelperError(String(answer.error.message), { kind, account, retryAt });
}

/**
 * @param {number} timeout
 * @returns {Promise<net.Socket | undefined>}
 */
async function connect(timeout) {
  for (const place of await sockets()) {
    if (process.platform !== "win32" && !(await isOurs(place))) continue;
    const socket = await open(place, Date.now() + timeout);
    if (socket) return socket;
  }
  return undefined;
}

/**
 * @param {string} place
 * @param {number} end
 * @returns {Promise<net.Socket | undefined>}
 */
function open(place, end) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(place);
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", (/** @type {NodeJS.ErrnoException} */ { code }) => {
      // Node doesn't wait in connect(2), and while others flood the agent few find a place.
      if (code !== "EAGAIN") resolve(undefined);
      else if (Date.now() < end) setTimeout(() => resolve(open(place, end)), 5);
      else reject(unreachable("the agent did not answer in time"));
    });
  });
}

/**
 * A refused token is about to go there. Node does not tell who listens, so the file has to say: it is this user's or root's, in
 * a directory where nobody else can put another.
 * @param {string} place
 */
async function isOurs(place) {
  const ours = [process.getuid?.(), 0];
  try {
    const [socket, directory] = await Promise.all([stat(place), stat(path.dirname(place))]);
    return ours.includes(socket.uid) && ours.includes(directory.uid) && (directory.mode & 0o022) === 0;
  } catch {
    return false;
  }
}

/** Where an agent of this user may listen, the likeliest first. */
async function sockets() {
  const { env } = process;
  if (env.CRED_HELPER_SOCK) return [env.CRED_HELPER_SOCK];
  const home = os.homedir();
  const windows = process.platform === "win32";
  const data = windows
    ? (env.LOCALAPPDATA ?? path.join(home, "AppData", "Local"))
    : env.XDG_DATA_HOME || path.join(home, ".local/share");
  const found = [];
  try {
    // The owner of the vault says where it listens; its file may be left from one that is gone.
    const owner = JSON.parse(await readFile(path.join(data, "cred-helper", "vault", "owner.json"), "utf8"));
    if (typeof owner.socket === "string") found.push(owner.socket);
  } catch {
    // Nobody has it.
  }
  if (windows) return found;
  const runtime = env.XDG_RUNTIME_DIR || `/run/user/${process.getuid?.()}`;
  const state = env.XDG_STATE_HOME || path.join(home, ".local/state");
  return [...found, path.join(runtime, "cred-helper/agent.sock"), path.join(state, "cred-helper/run/agent.sock")];
}

/**
 * @param {number} timeout
 * @param {string} program
 * @returns {Promise<net.Socket>}
 */
async function startAndConnect(timeout, program) {
  await new Promise((resolve, reject) => {
    execFile(program, ["agent", "start"], { timeout: START_TIMEOUT, windowsHide: true }, (error, _, stderr) => {
      if (!error) return resolve(undefined);
      if (error.code === "ENOENT") {
        return reject(unreachable(`no agent runs, and there is no \`${program}\` on the PATH to start one`));
      }
      reject(unreachable(stderr.trim() || `\`${program} agent start\` failed`));
    });
  });
  const socket = await connect(timeout);
  if (!socket) throw unreachable("an agent was started, but none answers");
  return socket;
}
