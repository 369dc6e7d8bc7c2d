// The booth's heartbeat: tells the farm that it lives, and knows before a guest poses whether the farm takes orders.

import { call, Refused } from "./api.js";
import * as key from "./key.js";
import { changes, spoken } from "./words.js";

const VERSION = "1";
const BEAT_MS = 10_000;

/** Fires "change" after each beat. */
export class Pulse extends EventTarget {
  /** "open", "closed" (the farm takes no orders; `message` says why), "offline" (it does not answer) or "key". */
  state = "open";
  message = "";
  /** Seconds that a picture takes now: style name → {low, high}, or null when nothing can be said. */
  takes = {};
  #timer = 0;

  /** `countWaiting` answers how many photos wait to be sent. */
  constructor(countWaiting) {
    super();
    this.countWaiting = countWaiting;
    addEventListener("online", () => this.#timer && this.beat());
    addEventListener("offline", () => this.#timer && this.#set("offline"));
    changes.addEventListener("change", () => this.state === "closed" && this.#timer && this.beat());
  }

  /** Beat now, and from then on. */
  async beat() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.beat(), BEAT_MS);
    const used = key.read();
    try {
      const json = { app_version: VERSION, page: "kiosk", waiting_to_send: await this.countWaiting() };
      const { accepting, message } = await call(`/booths/me/heartbeat?lang=${spoken()}`, { method: "POST", json });
      this.takes = (await call("/queue")).next_eta_range_s;
      this.#set(accepting ? "open" : "closed", message);
    } catch (error) {
      if (key.read() !== used) return; // paired anew meanwhile: this answer is of the key before
      this.#set(error instanceof Refused && error.status === 401 ? "key" : "offline");
    }
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  #set(state, message = "") {
    Object.assign(this, { state, message });
    this.dispatchEvent(new Event("change"));
  }
}

/** Is this key the farm's? Throws Unreachable. */
export async function isValid(candidate) {
  if (!/^[\w-]+$/.test(candidate)) return false; // nor could it stand in a header
  try {
    await call("/booths/me/heartbeat", { method: "POST", json: { app_version: VERSION, page: "kiosk" }, with: candidate });
    return true;
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return false;
    throw error;
  }
}
