// The HTTP interface: one function to call it, and its refusals as a Problem.

const KEY_NAME = "retail-stream-key";
const PATIENCE_MS = 15_000;
/** A redrive sends for as long as it takes; the platform itself answers within 230 seconds. */
const LONG_PATIENCE_MS = 240_000;

let keyInMemory = null;

/** The function key: kept for this tab, never in an address. */
export const key = {
  get() {
    try {
      return sessionStorage.getItem(KEY_NAME) ?? keyInMemory;
    } catch {
      return keyInMemory; // Storage is forbidden: the key lasts as long as the page.
    }
  },
  set(value) {
    keyInMemory = value;
    try {
      if (value) sessionStorage.setItem(KEY_NAME, value);
      else sessionStorage.removeItem(KEY_NAME);
    } catch {
      // As above.
    }
  },
};

/** What the API refused, in its own words. `status` is 0 when nobody answered. */
export class Problem extends Error {
  constructor(status, { detail, title, errors = [] } = {}) {
    super(detail || title || `The server answered ${status}.`);
    this.status = status;
    this.errors = errors;
    /** Whether the route itself is missing: a refusal of the app has a document, the platform's own has none. */
    this.isAbsent = status === 404 && !detail;
  }
}

/** One request. Returns the JSON of a success; throws a Problem for anything else. */
export async function call(method, path, body, { patient = false } = {}) {
  const response = await send(method, path, body, patient ? LONG_PATIENCE_MS : PATIENCE_MS);
  return response.json();
}

/** A file that the API makes, as a Blob. */
export async function download(path) {
  const response = await send("GET", path, undefined, LONG_PATIENCE_MS);
  return response.blob();
}

async function send(method, path, body, patienceMs) {
  const headers = { Accept: "application/json" };
  if (key.get()) headers["x-functions-key"] = key.get();
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "same-origin",
      signal: AbortSignal.timeout(patienceMs),
    });
  } catch (error) {
    const why = error.name === "TimeoutError" ? "The server did not answer in time." : "The server can’t be reached.";
    throw new Problem(0, { detail: why });
  }
  if (response.ok) return response;
  const document = await response.json().catch(() => ({}));
  throw new Problem(response.status, document && typeof document === "object" ? document : {});
}
