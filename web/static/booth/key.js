// The booth's key. It is kept in this browser, and goes to the farm as a bearer token only.

const PLACE = "booth-key";

export const read = () => localStorage.getItem(PLACE);
export const keep = (key) => localStorage.setItem(PLACE, key);
export const forget = () => localStorage.removeItem(PLACE);

/** The key in the address /booth#key=…, or null. It is taken out of the address bar and of the history at once. */
export function takeFromAddress() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (key !== null) history.replaceState(null, "", location.pathname + location.search);
  return key;
}
