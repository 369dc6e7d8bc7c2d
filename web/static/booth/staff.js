// What staff find behind the small button: the photos that wait here or were not taken in, and the end of the pairing.

import * as store from "./store.js";
import { explain, put, say } from "./words.js";

const at = (id) => document.getElementById(id);

/** `unpair` is called when staff end the pairing. */
export function prepare(outbox, unpair) {
  const dialog = at("staff");
  const draw = async () => {
    const orders = await store.list();
    at("kept").replaceChildren(...(orders.length ? orders.map((order) => makeLine(order, outbox)) : [makeText("li", say("staff_none"))]));
  };
  at("staff-open").addEventListener("click", async () => {
    answer(false);
    await draw();
    dialog.showModal();
  });
  at("staff-close").addEventListener("click", () => dialog.close());
  at("unpair").addEventListener("click", () => ask("unpair", () => (dialog.close(), unpair())));
  at("staff-no").addEventListener("click", () => answer(false));
  at("staff-yes").addEventListener("click", () => answer(true));
  outbox.addEventListener("change", () => dialog.open && draw());
}

let agreed = null;

/** Ask before it harms: `key` names the button, and with `_sure` the question. */
function ask(key, act) {
  agreed = act;
  put(at("staff-question"), `${key}_sure`);
  put(at("staff-yes"), key);
  at("staff-ask").hidden = false;
  at("staff-do").hidden = true;
  at("staff-no").focus();
}

function answer(yes) {
  at("staff-ask").hidden = true;
  at("staff-do").hidden = false;
  if (yes) agreed();
  agreed = null;
}

function makeLine(order, outbox) {
  const line = document.createElement("li");
  const picture = document.createElement("img");
  picture.src = URL.createObjectURL(order.photo);
  picture.onload = () => URL.revokeObjectURL(picture.src);
  picture.alt = say("your_photo");
  const why = order.state === "waiting" ? say("staff_waiting") : explain(order.problem) || order.problem;
  const remove = makeText("button", say("remove"));
  remove.className = "plain";
  remove.addEventListener("click", () => ask("remove", () => outbox.remove(order.id)));
  line.append(picture, makeText("strong", order.id), makeText("span", why), remove);
  return line;
}

function makeText(kind, text) {
  const element = document.createElement(kind);
  element.textContent = text;
  return element;
}
