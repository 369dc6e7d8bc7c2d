// The words of the page. The server renders every language into the block #words, so that a guest can switch offline.

const block = JSON.parse(document.getElementById("words").textContent);

let language = block.first;

export const languages = Object.entries(block.languages).map(([code, { name, tag }]) => ({ code, name, tag }));

/** Fires "change" when the language was switched. */
export const changes = new EventTarget();

/** A text by its key, with its placeholders filled in. */
export function say(key, values = {}) {
  return block.languages[language].words[key].replace(/%\((\w+)\)s/g, (_, name) => values[name]);
}

/** What a refusal's `code` means, or "" for one that this page does not know. */
export const explain = (code) => block.languages[language].problems[code] ?? "";

/** A sentence that the farm wrote, in the page's language where it is known. */
export const translate = (sentence) => block.languages[language].sentences[sentence] ?? sentence;

/** The text of `{en: …, zh: …}` in the page's language. */
export const choose = (texts) => texts[language] ?? texts.en ?? Object.values(texts)[0] ?? "";

/** Seconds {low, high} as people say them. */
export function spellTime({ low, high }) {
  if (high < 60) return say("time_short");
  const [from, to] = [Math.max(1, Math.floor(low / 60)), Math.ceil(high / 60)];
  return from === to ? say("time_about", { high: to }) : say("time_range", { low: from, high: to });
}

/** Give an element a text that follows the language; no key empties it. */
export function put(element, key, values = {}) {
  element.dataset.say = key;
  element.dataset.values = JSON.stringify(values);
  fill(element);
}

/** Speak this language; without one, the page's own. */
export function speak(code = block.first) {
  language = code;
  document.documentElement.lang = block.languages[code].tag;
  document.querySelectorAll("[data-say]").forEach(fill);
  for (const element of document.querySelectorAll("[data-name]")) {
    element.setAttribute(element.tagName === "IMG" ? "alt" : "aria-label", say(element.dataset.name));
  }
  changes.dispatchEvent(new Event("change"));
}

export const spoken = () => language;

function fill(element) {
  const key = element.dataset.say;
  element.textContent = key ? say(key, JSON.parse(element.dataset.values ?? "{}")) : "";
}
