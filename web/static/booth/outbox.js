// Sends what the store holds, oldest first, until the farm has answered each: always the same order id, so that the farm
// takes it once however often it arrives. What the farm refuses for good stays for staff to see.

import { call, Refused, Unreachable } from "./api.js";
import * as key from "./key.js";
import * as store from "./store.js";

const WAITS_S = [1, 2, 4, 8, 15, 30];
const UPLOAD_MS = 150_000; // as long as the farm itself gives an upload
const LOOK_MS = 5_000; // another tab may have stored something
const GO_ON = new Set([401, 408, 425, 429]); // refusals that say nothing against the order

/** Fires "change" when an order was stored, sent, refused or removed, or when `trouble` is another. */
export class Outbox extends EventTarget {
  /** Why nothing is sent at the moment: null, "offline", "busy" or "key". */
  trouble = null;
  #failures = 0;
  #dueAt = new Map(); // order id → ms
  #wake = () => {};
  #upload = new AbortController();

  /** Keep an order, on the disk, before anything of it is sent. */
  async add(id, style, photo) {
    await store.put({ id, style, photo, at: Date.now(), state: "waiting", problem: null });
    if (this.trouble === "offline") this.hurry();
    else this.#tell();
  }

  async remove(id) {
    await store.remove(id);
    this.#tell();
  }

  /** Try again now: the farm answers again, or the booth has a new key. */
  hurry() {
    this.#failures = 0;
    this.#dueAt.clear();
    this.trouble = null;
    this.#tell();
  }

  /** Send for ever, in one tab at a time. Without locks every tab sends: needless, but harmless. */
  start() {
    addEventListener("online", () => {
      this.#upload.abort(); // it hangs in the network that was
      this.hurry();
    });
    if (navigator.locks) return navigator.locks.request("booth-outbox", () => this.#run());
    return this.#run();
  }

  async #run() {
    for (;;) {
      try {
        const order = key.read() && this.trouble !== "key" ? await this.#findDue() : null;
        if (order) await this.#send(order);
        else await this.#pause(LOOK_MS);
      } catch (error) {
        console.error(error); // a defect, or the browser's storage: what is stored must go on being tried
        await this.#pause(LOOK_MS);
      }
    }
  }

  async #findDue() {
    const waiting = (await store.list()).filter((order) => order.state === "waiting");
    return waiting.find((order) => (this.#dueAt.get(order.id) ?? 0) <= Date.now());
  }

  async #send(order) {
    const body = new FormData();
    body.append("order_id", order.id);
    body.append("style", order.style);
    body.append("photo", order.photo, "photo");
    this.#upload = new AbortController();
    const used = key.read();
    try {
      const taken = await call("/orders", { method: "POST", body, timeout: UPLOAD_MS, signal: this.#upload.signal });
      if (taken.order_id !== order.id) throw new Unreachable(); // not our farm's answer
      await store.remove(order.id);
      this.#failures = 0;
      this.trouble = null;
      this.#tell();
    } catch (error) {
      if (error.status === 401 && key.read() !== used) return; // paired anew meanwhile
      await this.#note(order, error);
    }
  }

  async #note(order, error) {
    if (error instanceof Refused && error.status < 500 && !GO_ON.has(error.status)) {
      if (error.status === 410) await store.remove(order.id); // deleted on purpose: the photo shall not stay here
      else await store.put({ ...order, state: "refused", problem: error.code });
    } else if (error instanceof Refused || error instanceof Unreachable) {
      await this.#putOff(order, error);
    } else {
      throw error;
    }
    this.#tell();
  }

  async #putOff(order, error) {
    const wait = WAITS_S[Math.min(this.#failures++, WAITS_S.length - 1)] * (0.75 + Math.random() / 2);
    const again = Date.now() + 1000 * Math.max(wait, error.retryAfter ?? 0);
    if (error.status === 500) {
      this.#dueAt.set(order.id, again); // perhaps only this photo: the others need not wait for it
      return;
    }
    this.trouble = error.status === 401 ? "key" : error instanceof Unreachable ? "offline" : "busy";
    this.#tell();
    while (this.trouble && Date.now() < again) await this.#pause(again - Date.now());
  }

  /** Until then, or until something changes. */
  #pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => (clearTimeout(timer), resolve());
    });
  }

  #tell() {
    this.#wake();
    this.dispatchEvent(new Event("change"));
  }
}
