// Reloads a page when the server refuses its requests (401, 403, 404), because reading needs a log-in, or the client was removed.

const REFUSED = [401, 403, 404];
const AGAIN_MS = 120000; // At most one reload in this time, so that a page whose loads are always refused is not reloaded all the time.
const key = `refused ${location.pathname}`;

// The answer to a load. Throws if it is an error.
export function checked(answer) {
  if (REFUSED.includes(answer.status)) reload().catch(() => {});
  if (!answer.ok) throw new Error(answer.statusText);
  return answer;
}

// Not for the answer of a proxy: a screen on the wall would show its error page forever.
async function reload() {
  if (Math.abs(Date.now() - Number(sessionStorage.getItem(key))) < AGAIN_MS) return;
  const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
  const { documentElement } = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (documentElement.dataset.root === undefined || !(answer.ok || REFUSED.includes(answer.status))) return;
  // Nobody logs in at a wall. It tries on, in case reading needs no password again.
  if (answer.redirected && document.documentElement.classList.contains("wall")) return;
  sessionStorage.setItem(key, Date.now());
  location.reload();
}
