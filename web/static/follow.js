// Keeps a task's page up to date while the task is open: fetches the page and swaps its changing parts.
// Waits while somebody is being asked something there or the page is not looked at; ends with the task.

const EVERY_MS = 2000;
const PATIENCE_MS = 9000; // the farm itself waits up to 4 s for a busy database

async function update() {
  const live = document.getElementById("live");
  if (!document.hidden && !live.querySelector("details[open]")) {
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
      if (answer.redirected) return; // the login has ended; the next click leads there
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      if (fresh) {
        const isOpen = fresh.querySelector("progress") !== null; // asked first: what differs moves out of it
        swap(live, fresh);
        swap(document.getElementById("numbers"), page.getElementById("numbers"));
        if (!isOpen) return;
      }
    } catch {
      // Not reached this time; the next time comes.
    }
  }
  setTimeout(update, EVERY_MS);
}

/** Part by part, only where something differs, so that pictures do not flicker and a focused button keeps its focus. */
function swap(live, fresh) {
  const parts = [...fresh.children];
  if (live.children.length !== parts.length) return live.replaceChildren(...parts);
  parts.forEach((part, place) => {
    if (wordsOf(live.children[place]) !== wordsOf(part)) live.children[place].replaceWith(part);
  });
}

/** A form's token is another one each time and makes no difference. */
function wordsOf(part) {
  const copy = part.cloneNode(true);
  for (const token of copy.querySelectorAll("[name=csrf_token]")) token.remove();
  return copy.innerHTML;
}

setTimeout(update, EVERY_MS);
