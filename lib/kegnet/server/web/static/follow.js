// Loads a part of a page again after events: one load at a time, and always one after the last event. A load that fails is repeated, and
// the page reports meanwhile that it is not up to date.
import { reportFailure } from "./live.js";
import { checked } from "./refused.js";

// At most one load in this time.
const PACE_MS = 1500;
// After an event all readers load; this spreads the loads.
const SPREAD_MS = 300;
const LIMIT_MS = 10000;
const FIRST_RETRY_MS = 2000;
const LAST_RETRY_MS = 60000;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// What the server has at an address. Throws if it answers with an error, or not in time.
export async function fetchNow(address) {
  return checked(await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(LIMIT_MS) }));
}

// The document at an address. Throws as `fetchNow`.
export async function fetchPage(address) {
  const answer = await fetchNow(address);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// A function to call after each event; `load` loads, and throws if that fails.
export function follower(load) {
  let again = false, busy = false;
  return async () => {
    again = true;
    if (busy) return;
    busy = true;
    let retryMs = FIRST_RETRY_MS;
    while (again) {
      again = false;
      await pause(Math.random() * SPREAD_MS);
      try {
        await load();
        reportFailure(false, load);
        retryMs = FIRST_RETRY_MS;
        await pause(PACE_MS);
      } catch {
        reportFailure(true, load);
        again = true;
        await pause(retryMs * (0.5 + Math.random() / 2));
        retryMs = Math.min(2 * retryMs, LAST_RETRY_MS);
      }
    }
    busy = false;
  };
}
