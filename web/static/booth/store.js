// The orders that the farm has not taken yet, in IndexedDB: they outlive a reload, a crash and a power cut.
// An order is {id, style, photo: Blob, at: ms, state: "waiting" | "refused", problem: code | null}.

const NAME = "booth";
const ORDERS = "orders";

let opened = null;

const forget = () => (opened = null);

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(ORDERS, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  opened.then((database) => (database.onclose = forget), forget); // the next use opens it anew
  return opened;
}

/** Resolves once the change is on the disk. */
async function change(alter) {
  const database = await open();
  const transaction = database.transaction(ORDERS, "readwrite", { durability: "strict" });
  alter(transaction.objectStore(ORDERS));
  await new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
}

async function look(ask) {
  const database = await open();
  const request = ask(database.transaction(ORDERS).objectStore(ORDERS));
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export const put = (order) => change((orders) => orders.put(order));
export const remove = (id) => change((orders) => orders.delete(id));
export const find = (id) => look((orders) => orders.get(id));

/** All of them, the oldest first. */
export const list = async () => (await look((orders) => orders.getAll())).sort((one, other) => one.at - other.at);
