// One screen at a time, and what the guest does on it.

const part = (name) => document.querySelector(`[data-screen="${name}"]`);

/** Show a screen, and lead keyboards and screen readers to its heading. */
export function show(name) {
  const shown = part(name);
  if (!shown.hidden) return shown;
  for (const section of document.querySelectorAll("[data-screen]")) section.hidden = section !== shown;
  document.body.dataset.shows = name;
  scrollTo(0, 0);
  shown.querySelector("h1").focus();
  return shown;
}

/** One guest's visit: ends when the guest leaves, when nobody touches the screen for so long, or when staff unpair. */
export class Visit {
  #controller = new AbortController();
  signal = this.#controller.signal;
  #patience = 0;
  #timer = 0;

  constructor() {
    const until = { signal: this.signal };
    for (const touch of ["pointerdown", "keydown"]) addEventListener(touch, () => this.#restart(), until);
    addEventListener("click", ({ target }) => target.closest?.("[data-press=leave]") && this.end(), until);
  }

  /** Seconds without a touch after which the guest is gone. */
  waitFor(seconds) {
    this.#patience = seconds;
    this.#restart();
  }

  end() {
    clearTimeout(this.#timer);
    this.#controller.abort();
  }

  /**
   * What the guest does next on a screen: {press, …the button's other data} or {file}. Rejects when the visit
   * ends.
   */
  answer(section) {
    return new Promise((resolve, reject) => {
      this.signal.throwIfAborted();
      const heard = new AbortController();
      const until = { signal: heard.signal };
      const settle = (how, value) => (heard.abort(), how(value));
      this.signal.addEventListener("abort", () => settle(reject, this.signal.reason), until);
      section.addEventListener("click", ({ target }) => {
        const button = target.closest("[data-press]");
        if (button) settle(resolve, { ...button.dataset });
      }, until);
      section.addEventListener("change", ({ target }) => {
        if (!target.files?.length) return;
        settle(resolve, { file: target.files[0] });
        target.value = ""; // the same file may be chosen again
      }, until);
    });
  }

  /** Resolves after so many seconds; rejects when the visit ends. */
  pause(seconds) {
    return this.until(new Promise((resolve) => setTimeout(resolve, 1000 * seconds)));
  }

  /** What a promise comes to; rejects when the visit ends before. */
  until(promise) {
    const ended = new Promise((_, reject) => {
      this.signal.throwIfAborted();
      this.signal.addEventListener("abort", () => reject(this.signal.reason));
    });
    return Promise.race([promise, ended]);
  }

  #restart() {
    clearTimeout(this.#timer);
    if (this.#patience) this.#timer = setTimeout(() => this.end(), 1000 * this.#patience);
  }
}
