// Calls of the booth API. Only what the farm itself says counts: a hotel's login page that answers in its place, a proxy
// without a farm behind it and a network that is gone are all `Unreachable`.

import * as key from "./key.js";

const ANSWER_MS = 10_000;

/** Nothing is known of what became of the request: it is safe, and right, to send it again. */
export class Unreachable extends Error {}

/** The farm said no: `status`, `code` and, where it asks to wait, `retryAfter` in seconds. */
export class Refused extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.code);
    this.status = status;
    this.code = problem.code;
    this.retryAfter = retryAfter;
  }
}

/** The JSON of an answer. Throws Unreachable, Refused. */
export async function call(path, options = {}) {
  const answer = await send(path, options);
  return answer.json().catch(() => {
    throw new Unreachable();
  });
}

/** The body of an answer as a Blob. Throws Unreachable, Refused. */
export async function fetchBlob(path) {
  return (await send(path, {})).blob();
}

/** `with`: another key than the one that is kept; `timeout` in milliseconds; `signal` ends the request earlier. */
async function send(path, { method = "GET", body, json, timeout = ANSWER_MS, signal, with: other }) {
  const headers = { Authorization: `Bearer ${other ?? key.read()}` };
  if (json) {
    body = JSON.stringify(json);
    headers["Content-Type"] = "application/json";
  }
  const signals = [AbortSignal.timeout(timeout), ...(signal ? [signal] : [])];
  try {
    const answer = await fetch(`/api/v1${path}`, { method, body, headers, cache: "no-store", signal: AbortSignal.any(signals) });
    const type = answer.headers.get("Content-Type") ?? "";
    if (answer.ok && !type.startsWith("text/")) return whole(answer, type);
    if (type.startsWith("application/problem+json")) {
      throw new Refused(answer.status, await answer.json(), Number(answer.headers.get("Retry-After")) || 0);
    }
  } catch (error) {
    if (error instanceof Refused) throw error;
  }
  throw new Unreachable();
}

/** Wait for the whole body, so that a connection that breaks in the middle of it is noticed here. */
async function whole(answer, type) {
  const blob = await answer.blob();
  return new Response(blob, { headers: { "Content-Type": type } });
}
