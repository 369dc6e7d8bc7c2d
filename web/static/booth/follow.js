// What becomes of one order, from the store of this browser to its end at the farm.

import { call, Refused, Unreachable } from "./api.js";
import * as store from "./store.js";

const LOOK_S = 2; // place and time left change without a new version of the order
const ENDED = new Set(["succeeded", "partial", "failed", "canceled"]);

/**
 * Yields {kept: order} while it waits to be sent, {refused: code}, {order} at every look, {lost: true} while the farm
 * does not answer. Ends with the order; `outbox` says when something changed, `signal` ends it earlier.
 */
export async function* follow(id, outbox, signal) {
  let after = 0;
  while (!signal.aborted) {
    const kept = await store.find(id);
    if (kept?.state === "refused") {
      yield { refused: kept.problem };
      return;
    }
    if (kept) {
      yield { kept };
      await nextChange(outbox);
      continue;
    }
    const askedAt = Date.now();
    try {
      const order = await call(`/orders/${id}?wait=${LOOK_S}&after=${after}`, { timeout: 15_000, signal });
      yield { order };
      if (ENDED.has(order.status)) return;
      const early = order.version === after && Date.now() - askedAt < 1000 * LOOK_S * 0.5;
      after = order.version;
      if (early) await nextChange(outbox); // the farm has no seat for one more follower
    } catch (error) {
      if (error instanceof Refused && error.status !== 401 && error.status < 500 && error.status !== 429) {
        yield { refused: error.code }; // deleted, such as by the guest on the phone
        return;
      }
      if (!(error instanceof Unreachable || error instanceof Refused)) throw error;
      yield { lost: true };
      await nextChange(outbox);
    }
  }
}

/** The outbox changed, or a look's time is over: the order may be sent by another tab. */
function nextChange(outbox) {
  return new Promise((resolve) => {
    const heard = new AbortController();
    const go = () => (heard.abort(), clearTimeout(timer), resolve());
    const timer = setTimeout(go, LOOK_S * 1000);
    outbox.addEventListener("change", go, { signal: heard.signal });
  });
}
