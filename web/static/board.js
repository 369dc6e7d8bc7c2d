// Keeps the board up to date: fetches its changing part and swaps what differs, so that focus and scroll stay.
// It says honestly when it could not: how long ago that was, or that the login has ended.

const EVERY_MS = 3000;
const PATIENCE_MS = 9000; // the farm itself waits up to 4 s for a busy database
const STALE_MS = 10000;

const live = document.getElementById("live");
let updatedAt = Date.now();
let timer = 0;
let isAsking = false;

async function update() {
  clearTimeout(timer);
  if (isAsking || document.hidden) return;
  isAsking = true;
  try {
    const answer = await fetch(live.dataset.source, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.redirected) return sayLoggedOut();
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (fresh.getElementById("verdict")) {
      swap(fresh);
      updatedAt = Date.now();
    }
  } catch {
    // Not reached: the age says so below.
  } finally {
    isAsking = false;
  }
  showAge();
  timer = setTimeout(update, EVERY_MS);
}

/** Replace each part whose content differs. The headline is set apart, so that it is read aloud only when it changes. */
function swap(fresh) {
  const focused = document.activeElement?.closest("a[href]")?.getAttribute("href");
  const [headline, next] = [document, fresh].map((page) => page.querySelector(".headline"));
  document.getElementById("verdict").className = fresh.getElementById("verdict").className;
  if (headline.textContent !== next.textContent) headline.textContent = next.textContent;
  for (const id of ["detail", "age", "troubles"]) replace(document.getElementById(id), fresh.getElementById(id));
  const [tiles, theirs] = [document, fresh].map((page) => page.getElementById("tiles"));
  if (!tiles || !theirs) {
    tiles?.remove();
    if (theirs) live.append(theirs);
  } else {
    for (const tile of theirs.children) replace(document.getElementById(tile.id), tile);
  }
  if (focused && document.activeElement === document.body) {
    for (const link of live.querySelectorAll("a[href]")) {
      if (link.getAttribute("href") === focused) return link.focus({ preventScroll: true });
    }
  }
}

function replace(old, fresh) {
  if (old.innerHTML !== fresh.innerHTML) old.innerHTML = fresh.innerHTML;
  old.className = fresh.className;
}

function showAge() {
  const silent = Date.now() - updatedAt;
  if (silent < STALE_MS) return;
  const age = document.getElementById("age");
  age.classList.add("stale");
  age.textContent = live.dataset.silent.replace("{seconds}", Math.round(silent / 1000));
}

/** Nothing is asked any more; a wall screen shows this instead of a board that looks alive. */
function sayLoggedOut() {
  const headline = document.querySelector(".headline");
  document.getElementById("verdict").className = "verdict eye";
  headline.textContent = `${live.dataset.loggedOut} `;
  const link = document.createElement("a");
  link.href = live.dataset.login;
  link.textContent = live.dataset.loginName;
  document.getElementById("detail").replaceChildren(link);
  for (const id of ["age", "troubles", "tiles"]) document.getElementById(id)?.replaceChildren();
}

document.addEventListener("visibilitychange", update);
timer = setTimeout(update, EVERY_MS);
setInterval(showAge, 1000);
