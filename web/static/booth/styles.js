// The styles that can be ordered now, with their previews, kept for the time without network.

import { call, fetchBlob, Refused, Unreachable } from "./api.js";
import * as words from "./words.js";

const SAMPLES = 3;

let known = [];
let takes = {}; // style name → seconds {low, high}, or null
const previews = new Map(); // style name → address of a blob

/** How long each takes now: style name → seconds {low, high}, or null when nothing can be said. */
export function setTimes(times) {
  takes = times;
}

/** How long a picture takes now, whichever style is chosen; null when nothing can be said. */
export function spanTimes() {
  const ranges = known.map((style) => takes[style.name]).filter(Boolean);
  if (!ranges.length) return null;
  return { low: Math.min(...ranges.map(({ low }) => low)), high: Math.max(...ranges.map(({ high }) => high)) };
}

/** Ask the farm; what was known stays when it does not answer. Answers whether it did. */
export async function load() {
  let answered = false;
  try {
    const { styles } = await call("/styles");
    known = styles.filter((style) => style.available);
    answered = true;
    await Promise.all(known.filter((style) => style.preview_url && !previews.has(style.name)).map(loadPreview));
  } catch (error) {
    if (!(error instanceof Unreachable || error instanceof Refused)) throw error;
  }
  draw();
  return answered;
}

/** Fill the screen of the styles, those with a picture first, and the samples of the welcome screen. */
export function draw() {
  const rank = (style) => (previews.has(style.name) ? 0 : 1);
  const styles = [...known].sort((one, other) => rank(one) - rank(other));
  document.getElementById("styles").replaceChildren(...styles.map(makeTile));
  words.put(document.getElementById("no-styles"), styles.length ? "" : "no_styles");
  const samples = styles.filter((style) => previews.has(style.name)).slice(0, SAMPLES);
  document.getElementById("samples").replaceChildren(...samples.map((style) => makeImage(previews.get(style.name))));
}

function makeTile(style) {
  const tile = document.createElement("button");
  Object.assign(tile.dataset, { press: "style", style: style.name });
  const title = document.createElement("strong");
  title.textContent = words.choose(style.title) || style.name;
  const description = document.createElement("span");
  description.textContent = words.choose(style.description);
  const time = document.createElement("small");
  time.textContent = takes[style.name] ? words.spellTime(takes[style.name]) : "";
  const preview = previews.get(style.name);
  tile.append(preview ? makeImage(preview) : makePlain(title.textContent), title, description, time);
  return tile;
}

function makeImage(address) {
  const image = document.createElement("img");
  image.src = address;
  image.alt = "";
  return image;
}

function makePlain(title) {
  const plain = document.createElement("i");
  plain.textContent = [...title][0];
  plain.ariaHidden = "true";
  return plain;
}

async function loadPreview(style) {
  try {
    const picture = await fetchBlob(`/styles/${style.name}/preview`);
    previews.set(style.name, URL.createObjectURL(picture));
  } catch (error) {
    if (!(error instanceof Unreachable || error instanceof Refused)) throw error; // a tile without picture will do
  }
}
