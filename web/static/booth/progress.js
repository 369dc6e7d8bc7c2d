// The screens from the submission on: waiting, the picture, and what did not work out.

import { follow } from "./follow.js";
import { show } from "./screens.js";
import { changes, explain, put, say, spellTime, translate } from "./words.js";

const WAITING_S = 180;
const RESULT_S = 45;
const SORRY_S = 60;
const KIND = new Set(["content_refused", "bad_input", "poison", "execution_failed", "bad_answer"]);
/* Failures whose sentence is for guests, too; the others' are for technicians. */
const OF_THE_STYLE = new Set(["style_unavailable", "style_unknown", "options_rejected"]);

const at = (id) => document.getElementById(id);

/**
 * Follow an order on the screen to its end. Answers whether the guest wants the photo in another style; that is offered
 * when `mayChange` and when it makes sense.
 */
export async function wait(visit, outbox, id, { mayChange = false } = {}) {
  const section = show("wait");
  visit.waitFor(WAITING_S);
  drawNews(section, outbox, { kept: { id } });
  const leaves = visit.answer(section).then(() => null);
  const end = await Promise.race([leaves, watch(visit, outbox, id, section)]);
  if (end === null) return false;
  const task = end.order?.tasks.at(-1);
  if (task?.status === "succeeded") return showResult(visit, end.order, task);
  return showSorry(visit, end, mayChange);
}

/** The last news of an order: {order} or {refused}. */
async function watch(visit, outbox, id, section) {
  let last = { kept: { id } };
  const redraw = () => drawNews(section, outbox, last);
  changes.addEventListener("change", redraw, { signal: visit.signal });
  outbox.addEventListener("change", redraw, { signal: visit.signal });
  try {
    for await (const news of follow(id, outbox, visit.signal)) {
      visit.signal.throwIfAborted();
      last = news;
      redraw();
    }
  } finally {
    changes.removeEventListener("change", redraw);
    outbox.removeEventListener("change", redraw);
  }
  visit.signal.throwIfAborted();
  return last;
}

function drawNews(section, outbox, { kept, order, lost }) {
  const task = order?.tasks.at(-1);
  const range = task && (task.eta_range_s ?? (task.eta_s === null ? null : { low: task.eta_s, high: task.eta_s }));
  put(at("number"), kept ? "number" : "", { number: kept?.id });
  if (kept) put(at("stage"), { offline: "kept_offline", key: "kept_offline", busy: "kept_busy" }[outbox.trouble] ?? "kept");
  else if (lost) put(at("stage"), "lost");
  else if (task?.status === "queued") put(at("stage"), task.position ? "ahead" : "next_up", { count: task.position });
  else if (task) put(at("stage"), "making");
  if (!lost) put(at("time"), range ? "ready_in" : "", { time: range ? spellTime(range) : "" });
  if (task) at("progress").value = task.progress.value;
  else if (kept) at("progress").value = 0;
  if (order || kept) drawPhone(section, order?.guest);
}

/** How the guest finds the picture again; nothing before the farm has taken the order. */
function drawPhone(section, guest) {
  const phone = section.querySelector(".phone");
  phone.hidden = !guest;
  if (!guest) return;
  const { pathname } = new URL(guest.qr_url); // this page may have another name for the farm than the guest's phone
  if (!phone.querySelector("img").src.endsWith(pathname)) phone.querySelector("img").src = pathname;
  put(phone.querySelector(".code"), "code", { code: guest.code });
}

async function showResult(visit, order, task) {
  const section = show("result");
  at("picture").src = task.images[0].url;
  drawPhone(section, order.guest);
  visit.waitFor(0);
  try {
    await Promise.race([visit.answer(section), countBack(visit)]);
  } finally {
    at("picture").removeAttribute("src");
  }
  return false;
}

async function countBack(visit) {
  for (let seconds = RESULT_S; seconds > 0; seconds--) {
    put(at("back"), "back_in", { seconds });
    await visit.pause(1);
  }
}

async function showSorry(visit, { order, refused }, mayChange) {
  const section = show("sorry");
  const task = order?.tasks.at(-1);
  const other = mayChange && (task?.status === "failed" || OF_THE_STYLE.has(refused));
  const draw = () => {
    at("sorry-why").textContent = task ? sayFailure(task) : sayRefusal(refused);
  };
  draw();
  changes.addEventListener("change", draw, { signal: visit.signal });
  put(at("sorry-number"), order ? "code" : "", { code: order?.guest.code });
  section.querySelector("[data-press=other]").hidden = !other;
  visit.waitFor(SORRY_S);
  await visit.answer(section);
  changes.removeEventListener("change", draw);
  return true;
}

function sayRefusal(code) {
  if (code.startsWith("photo_")) return say("sorry_photo");
  return OF_THE_STYLE.has(code) ? explain(code) : say("sorry_taken");
}

function sayFailure({ status, reason }) {
  if (status === "canceled") return say("canceled");
  return KIND.has(reason?.code) ? translate(reason.message) : say("sorry_made");
}
