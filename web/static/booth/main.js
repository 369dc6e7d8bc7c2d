// Joins the booth: its key, its heartbeat, its outbox, and one guest after the other.

import { Refused, Unreachable } from "./api.js";
import { serve } from "./guest.js";
import * as key from "./key.js";
import { Outbox } from "./outbox.js";
import { isValid, Pulse } from "./pulse.js";
import { show, Visit } from "./screens.js";
import * as staff from "./staff.js";
import * as store from "./store.js";
import * as styles from "./styles.js";
import { changes, languages, put, say, speak, spellTime, spoken } from "./words.js";

const STYLES_MS = 60_000;
const ERROR_S = 10;

const at = (id) => document.getElementById(id);
const outbox = new Outbox();
const pulse = new Pulse(async () => (await store.list()).filter((order) => order.state === "waiting").length);
let visit = new Visit();
let stylesAt = 0;

async function main() {
  drawLanguages();
  speak();
  staff.prepare(outbox, () => unpair(""));
  outbox.addEventListener("change", () => {
    if (outbox.trouble === "key" && key.read()) pulse.beat(); // which finds it out, too
    drawOutbox();
  });
  pulse.addEventListener("change", onBeat);
  changes.addEventListener("change", () => (drawState(), drawOutbox(), styles.draw()));
  addEventListener("hashchange", () => pairFromAddress());
  at("pair").addEventListener("submit", (event) => {
    event.preventDefault();
    pair(at("key").value.trim());
  });
  outbox.start();
  begin();
  for (;;) await serveOne();
}

async function begin() {
  if (!(await pairFromAddress()) && key.read()) start();
}

/** One guest, or the pairing where the booth has no key. */
async function serveOne() {
  visit = new Visit();
  speak();
  try {
    if (key.read()) await serve(visit, outbox);
    else await visit.answer(show("pair")); // ends when the booth is paired
  } catch (error) {
    if (!visit.signal.aborted) await apologize(error);
  } finally {
    visit.end();
  }
}

/** A defect of this page or of the browser's storage: said, and written to the console for whoever mends it. */
async function apologize(error) {
  console.error(error);
  show("sorry").querySelector("[data-press=other]").hidden = true;
  put(at("sorry-why"), "sorry_defect");
  put(at("sorry-number"), "");
  visit.waitFor(ERROR_S);
  await visit.answer(show("sorry")).catch(() => {});
}

// --- the key --------------------------------------------------------------------------------------------------------

/** Answers whether the address brought a key that the farm knows. */
async function pairFromAddress() {
  const given = key.takeFromAddress();
  return given !== null && pair(given);
}

async function pair(candidate) {
  put(at("pair-said"), "");
  try {
    if (!(await isValid(candidate))) {
      put(at("pair-said"), "pair_wrong");
      return false;
    }
  } catch (error) {
    if (!(error instanceof Unreachable || error instanceof Refused)) throw error;
    put(at("pair-said"), "pair_away");
    return false;
  }
  key.keep(candidate);
  at("key").value = "";
  navigator.storage?.persist?.(); // waiting photos are not to be tidied away
  visit.end();
  start();
  return true;
}

function unpair(why) {
  key.forget();
  pulse.stop();
  put(at("pair-said"), why);
  visit.end();
}

function start() {
  outbox.hurry();
  pulse.beat();
}

// --- what the booth shows besides the guest's way ---------------------------------------------------------------------

async function onBeat() {
  if (pulse.state === "key") {
    unpair("pair_wrong");
    return;
  }
  if (pulse.state !== "offline" && outbox.trouble === "offline") outbox.hurry();
  styles.setTimes(pulse.takes);
  drawState();
  if (pulse.state !== "offline" && Date.now() - stylesAt > STYLES_MS) {
    if (await styles.load()) stylesAt = Date.now();
    drawState();
  }
}

/** On the welcome screen, before anybody poses. */
function drawState() {
  const closed = pulse.state === "closed";
  document.querySelector("[data-press=begin]").hidden = closed;
  at("welcome-how").hidden = closed;
  at("state").classList.toggle("closed", closed);
  at("state").textContent = closed ? pulse.message : pulse.state === "offline" ? say("offline") : sayWait();
}

function sayWait() {
  const span = styles.spanTimes();
  return span ? say("takes", { time: spellTime(span) }) : "";
}

async function drawOutbox() {
  const orders = await store.list();
  const count = (state) => orders.filter((order) => order.state === state).length;
  const lines = [["waiting", count("waiting")], ["refused", count("refused")]].filter(([, number]) => number);
  at("outbox").textContent = lines.map(([line, number]) => say(line, { count: number })).join(" · ");
}

function drawLanguages() {
  at("languages").replaceChildren(...languages.map(({ code, name, tag }) => {
    const button = document.createElement("button");
    Object.assign(button, { textContent: name, lang: tag });
    button.addEventListener("click", () => speak(code));
    changes.addEventListener("change", () => button.setAttribute("aria-pressed", spoken() === code));
    return button;
  }));
}

main();
