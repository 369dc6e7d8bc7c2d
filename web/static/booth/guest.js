// The way of a guest, from "touch to begin" to the picture.

import * as camera from "./camera.js";
import { wait } from "./progress.js";
import { show } from "./screens.js";
import * as styles from "./styles.js";
import { put } from "./words.js";

const CHOOSING_S = 90;
const CURRENT = "booth-order"; // the order on the screen, so that a reload comes back to it
const LETTERS = "abcdefghijkmnpqrstuvwxyz"; // without l and o, which look like digits

const at = (id) => document.getElementById(id);

/** Returns when the guest is through; rejects when the visit ends earlier. */
export async function serve(visit, outbox) {
  try {
    const current = sessionStorage.getItem(CURRENT);
    if (current) await wait(visit, outbox, current);
    else await serveFromStart(visit, outbox);
  } finally {
    sessionStorage.removeItem(CURRENT);
  }
}

async function serveFromStart(visit, outbox) {
  await visit.answer(show("welcome"));
  visit.waitFor(CHOOSING_S);
  const photo = await photograph(visit);
  const id = makeOrderId();
  do {
    visit.waitFor(CHOOSING_S);
    const style = await chooseStyle(visit);
    await outbox.add(id, style, photo);
    sessionStorage.setItem(CURRENT, id);
  } while (await wait(visit, outbox, id, { mayChange: true }));
}

async function photograph(visit) {
  for (;;) {
    const photo = await takePhoto(visit);
    at("photo").src = URL.createObjectURL(photo);
    try {
      const { press } = await visit.answer(show("review"));
      if (press === "keep") return photo;
    } finally {
      URL.revokeObjectURL(at("photo").src);
      at("photo").removeAttribute("src"); // the next guest shall not see this one
    }
  }
}

/** By the live camera or, where there is none, from a file; a file may be chosen before the camera has started, too. */
async function takePhoto(visit) {
  const live = at("live");
  const using = new AbortController();
  let section = show("camera");
  let answer = visit.answer(section);
  try {
    const missing = await Promise.race([startCamera(live, using.signal), answer.then(() => "")]);
    if (missing) {
      section = show("file");
      put(at("why-no-camera"), missing);
      answer = visit.answer(section);
    }
    for (;;) {
      const { file } = await answer;
      const photo = file ? await readFile(file, section) : await countDown(live, visit);
      if (photo) return photo;
      answer = visit.answer(section);
    }
  } finally {
    using.abort();
    camera.close(live);
    put(section.querySelector(".said"), "");
  }
}

/** Answers the key of the sentence that says why there is no camera, or "". */
async function startCamera(live, signal) {
  at("take").disabled = true;
  try {
    await camera.open(live, signal);
    at("take").disabled = false;
    return "";
  } catch (error) {
    if (!(error instanceof camera.NoCamera)) throw error;
    return error.message;
  }
}

async function countDown(live, visit) {
  try {
    for (const left of [3, 2, 1]) {
      at("countdown").textContent = left;
      await visit.pause(1);
    }
    return await camera.snap(live);
  } finally {
    at("countdown").textContent = "";
  }
}

/** The file as a photo; null when it cannot be one, which is said on the screen. */
async function readFile(file, section) {
  try {
    return await camera.accept(file);
  } catch (error) {
    if (!(error instanceof camera.NoPhoto)) throw error;
    put(section.querySelector(".said"), error.message);
    return null;
  }
}

async function chooseStyle(visit) {
  styles.draw();
  const { style } = await visit.answer(show("styles"));
  return style;
}

/** Unlike any other booth's: the moment and 8 random letters. */
function makeOrderId() {
  const random = crypto.getRandomValues(new Uint8Array(8));
  return `k${Date.now().toString(36)}-${[...random].map((number) => LETTERS[number % LETTERS.length]).join("")}`;
}
