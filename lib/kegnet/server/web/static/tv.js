// The wall: changes pages, shows the time, and reloads when the server has another version.

import "./cards.js";
import { clock, now } from "./format.js";

const PAGE_MS = 15000;
const RELOAD_MS = 10000;
const LANDSCAPE_TAPS = 8;
const PORTRAIT_TAPS = 4;

const page = document.documentElement;
const taps = () => document.querySelector(".taps");
let number = 0;

// Shows one page of taps. Pages are as even as possible.
function showPage() {
  const places = [...document.querySelectorAll(".place")];
  const most = innerWidth < innerHeight ? PORTRAIT_TAPS : LANDSCAPE_TAPS;
  const pages = Math.max(1, Math.ceil(places.length / most));
  const each = Math.ceil(places.length / pages);
  number %= pages;
  places.forEach((place, index) => { place.hidden = Math.floor(index / each) !== number; });
  taps().dataset.count = each;
  setText(".page-number", pages > 1 ? `${number + 1} of ${pages}` : "");
}

function setText(selector, text) {
  const element = document.querySelector(selector);
  if (element.textContent !== text) element.textContent = text;
}

// The title, the code and its address, which are settings.
function showHead(loaded) {
  const [head, fresh] = [document, loaded].map((each) => each.querySelector(".head"));
  const [before, after] = [head, fresh].map((each) => [...each.querySelectorAll(".code, h1, .scan")]);
  if (looks(before) === looks(after)) return;
  for (const element of before) element.remove();
  head.className = fresh.className;
  head.prepend(...after.filter((element) => !element.matches(".scan")));
  head.querySelector("#stale").after(...after.filter((element) => element.matches(".scan")));
}

const looks = (elements) => elements.map((element) => element.outerHTML).join();

function showTime() {
  setText(".clock", clock(now()));
}

// Once for each version: behind a proxy, two servers can have different ones while they are upgraded.
async function reloadFor(version) {
  if (version === page.dataset.version || sessionStorage.getItem("reloaded for") === version) return;
  sessionStorage.setItem("reloaded for", version);
  await new Promise((resolve) => setTimeout(resolve, RELOAD_MS * Math.random()));
  const answer = await fetch(location.href, { cache: "no-store" });
  // Otherwise the screen would keep showing an error page of the browser.
  if (answer.ok) location.reload();
  else sessionStorage.removeItem("reloaded for");
}

// Keeps the screen of a tablet on, if the browser can.
function stayAwake() {
  if (navigator.wakeLock && !document.hidden) navigator.wakeLock.request("screen").catch(() => {});
}

document.addEventListener("kegnet:hello", ({ detail }) => {
  reloadFor(detail.version).catch(() => sessionStorage.removeItem("reloaded for"));
});
document.addEventListener("kegnet:loaded", ({ detail }) => { showHead(detail); showPage(); });
document.addEventListener("visibilitychange", stayAwake);
addEventListener("resize", showPage);
setInterval(() => { number += 1; showPage(); }, PAGE_MS);
setInterval(showTime, 1000);
showPage();
showTime();
stayAwake();
