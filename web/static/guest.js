// The guest's page, alive: asks for news, shows what changed, shares the picture. Without it the page loads itself anew.

const SLOWEST_S = 30;
const LONGEST_MS = 10_000;

const sheet = document.querySelector(".sheet");
const spoken = document.querySelector(".spoken");
const said = document.querySelector(".said");
const offline = document.querySelector(".offline");
const here = location.origin + location.pathname;
const files = new Map();

let timer = 0;
let failures = 0;

const cards = () => sheet.firstElementChild;

function plan() {
  clearTimeout(timer);
  const again = Number(cards().dataset.again);
  if (!again || document.hidden) return;
  // A little earlier or later each time, so that a hundred phones do not ask at one instant.
  const seconds = Math.min(again * 2 ** failures, SLOWEST_S) * (0.9 + Math.random() * 0.2);
  timer = setTimeout(ask, seconds * 1000);
}

async function ask() {
  clearTimeout(timer);
  try {
    const answer = await fetch(`${here}/state${location.search}`, { signal: AbortSignal.timeout?.(LONGEST_MS) });
    if (answer.status === 404) {
      location.reload(); // deleted or expired: the page itself says so
      return;
    }
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    show(await answer.text());
    failures = 0;
  } catch {
    failures += 1; // the network or the farm is away for a while; both come back
  }
  offline.hidden = failures < 2;
  plan();
}

function show(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html").body.firstElementChild;
  const isNews = fresh.dataset.headline !== cards().dataset.headline;
  update(cards(), fresh);
  for (const name of ["data-headline", "data-again"]) {
    if (fresh.hasAttribute(name)) cards().setAttribute(name, fresh.getAttribute(name));
    else cards().removeAttribute(name);
  }
  if (isNews) spoken.textContent = cards().dataset.headline;
}

// Only what differs is replaced, so that a button keeps the focus and what moves goes on moving.
function update(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  const pairs = [...old.children].map((child, place) => [child, fresh.children[place]]);
  const isAlike = old.className === fresh.className && pairs.length === fresh.children.length;
  if (isAlike && pairs.length) pairs.forEach(([mine, its]) => update(mine, its));
  else old.replaceWith(fresh);
}

async function share(button) {
  const link = button.parentElement.querySelector("a[download]");
  try {
    if (!files.has(link.href)) {
      const picture = await (await fetch(link.href)).blob();
      files.set(link.href, new File([picture], link.download, { type: picture.type }));
    }
    const shared = { files: [files.get(link.href)] };
    if (navigator.canShare?.(shared)) {
      await navigator.share(shared);
      return;
    }
  } catch (error) {
    if (error.name === "AbortError") return; // the guest thought better of it
    if (error.name === "NotAllowedError") {
      said.textContent = button.dataset.ready; // loading took so long that the browser wants another press
      return;
    }
  }
  said.textContent = (await copy(here)) ? button.dataset.copied : button.dataset.failed;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyAsBefore(text); // a page without TLS has no clipboard
  }
}

function copyAsBefore(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "unseen";
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  return isCopied;
}

sheet.addEventListener("click", (event) => {
  const button = event.target.closest("button.share");
  if (button) share(button);
});
document.querySelector(".erase form").addEventListener("submit", (event) => {
  event.target.querySelector("button").disabled = true; // a second press would find nothing
});
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : ask()));
addEventListener("online", ask);
plan();
