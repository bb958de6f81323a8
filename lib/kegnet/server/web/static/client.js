// The page of a client: a chart of its temperature up to now, or over any stretch of time.
import { chart } from "./chart.js";
import { moment, shortMoment, stretch } from "./chart_time.js";
import { fetchNow, fetchPage, follower } from "./follow.js";
import { counted, degrees, hasOtherSettings, now, showAges, span, takeSettings, temperature } from "./format.js";
import { reportFailure } from "./live.js";

const MINUTE = 60_000;
const SHORTEST = 10 * MINUTE;
const LONGEST = 366 * 1440 * MINUTE;
const LOAD_EVERY = 5000;
const FIGURES = ["least", "mean", "most", "outside"];
const BEYOND = { "too warm": "--bad", "too cold": "--bad", silent: "--dim" };

const place = document.getElementById("course");
// A form with a mistake is shown under an address of its own, which cannot be loaded again.
if (location.pathname !== place.dataset.page) history.replaceState(null, "", place.dataset.page + location.search);
const spans = [...document.querySelectorAll("[data-over]")];
const caption = document.querySelector(".window");
const back = document.querySelector("[data-back]");
const value = (name) => document.querySelector(`[data-value="${name}"]`);

let drawn = null;
let shown = { points: [], alarms: [], from_ms: 0, to_ms: 0 };
let loading = 0;
let loadedMs = 0;
let due = 0;

// The view in the address: a length up to now, or a stretch of time.

function view() {
  const asked = new URLSearchParams(location.search);
  const [from_ms, to_ms] = ["since", "until"].map((name) => Number(asked.get(name)));
  if (from_ms > 0 && to_ms > from_ms) return { from_ms, to_ms, over: null };
  const chosen = spans.find((link) => link.dataset.over === asked.get("over")) ?? spans.find((link) => link.dataset.over === "24h");
  return { ...upToNow(Number(chosen.dataset.length), Number(chosen.dataset.bin)), over: chosen.dataset.over };
}

// The last bin ends after now, so the bounds do not change until then.
function upToNow(length, bin) {
  const to_ms = (Math.floor(now() / bin) + 1) * bin;
  return { from_ms: to_ms - length, to_ms };
}

function go(address) {
  history.pushState({ depth: (history.state?.depth ?? 0) + 1 }, "", address);
  loadNow();
}

function goTo(from_ms, to_ms) {
  const length = Math.min(Math.max(to_ms - from_ms, SHORTEST), LONGEST);
  const middle = (from_ms + to_ms) / 2;
  const end = Math.min(middle + length / 2, Math.ceil(now() / MINUTE) * MINUTE);
  go(`?since=${Math.round((end - length) / MINUTE) * MINUTE}&until=${Math.round(end / MINUTE) * MINUTE}`);
}

function move(direction) {
  const { from_ms, to_ms } = view();
  const by = direction * (to_ms - from_ms);
  const sameLength = spans.find((link) => Number(link.dataset.length) === to_ms - from_ms);
  if (sameLength && to_ms + by >= now()) go(`?over=${sameLength.dataset.over}`);
  else goTo(from_ms + by, to_ms + by);
}

// Loading and drawing.

async function load() {
  const number = ++loading;
  const { from_ms, to_ms, over } = view();
  loadedMs = Date.now();
  const [points, alarms] = await Promise.all([
    get(`temperatures?since=${from_ms}&until=${to_ms}&points=${place.dataset.points}`),
    get(`alarms?since=${from_ms}`),
  ]);
  if (number !== loading) return;
  shown = { points, alarms: alarms.filter((alarm) => alarm.pin === undefined && alarm.began_ms < to_ms), from_ms, to_ms, over };
  draw();
  reportFailure(false, load);
}

const get = async (path) => (await fetchNow(`${place.dataset.api}/${path}`)).json();
const loadLater = follower(load);

// What the reader chooses is loaded at once, and repeated if that fails.
function loadNow() {
  load().catch(loadLater);
}

function draw() {
  const { from_ms, to_ms, over } = shown;
  const content = { ...columns(rows(shown)), lines: limits(), spans: marks(shown.alarms), from_ms, to_ms };
  if (drawn === null) {
    const at = (step) => (step < 1 ? 1 : 0);
    drawn = chart(place, {
      ...content, least_range: 2, empty: "nothing was received", zoomed: goTo,
      format: (number) => `${number.toFixed(1)} ${unit()}`,
      axis: (number, step) => `${number.toFixed(at(step)).replace(/^-0$/, "0")}°`,
      extent: (index) => [rowsNow[index].from_ms, rowsNow[index].to_ms],
      when: (index) => stretch(rowsNow[index].from_ms, rowsNow[index].to_ms),
    });
    place.drawn = drawn;
    caption.hidden = false;
  } else drawn.show(content);
  for (const link of spans) {
    if (link.dataset.over === over) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
  }
  value("window").textContent = stretch(from_ms, Math.min(to_ms, now()));
  document.querySelector('[data-move="1"]').disabled = to_ms >= now();
  back.hidden = !(history.state?.depth > 0);
  showFigures();
  showTable();
}

const unit = () => temperature(0).slice(-2);

let rowsNow = [];

// The bins. Each gap, also at the ends, becomes two rows without values.
function rows({ points, from_ms, to_ms }) {
  const found = [];
  const gap = (from, to) => found.push({ at: from + 1, from_ms: from, to_ms: to }, { at: to - 1, from_ms: from, to_ms: to });
  let end = from_ms;
  for (const [index, point] of points.entries()) {
    if (point.gap || (index === 0 && point.at_ms - end > 3 * point.length_ms)) gap(end, point.at_ms);
    end = point.at_ms + point.length_ms;
    found.push({ at: point.at_ms + point.length_ms / 2, from_ms: point.at_ms, to_ms: end, point });
  }
  const until = Math.min(to_ms, now());
  if (points.length && until - end > 3 * points.at(-1).length_ms) gap(end, until);
  return found;
}

function columns(found) {
  rowsNow = found;
  const of = (name) => found.map(({ point }) => (point ? degrees(point[name]) : null));
  return { times: found.map((row) => row.at), series: [{ name: "", values: of("mean") }], bands: [{ low: of("least"), high: of("most") }] };
}

function limits() {
  const limit = (name, text) => (place.dataset[name] === "" ? [] : [{ value: degrees(Number(place.dataset[name])), text: `${text} ${temperature(Number(place.dataset[name]))}` }]);
  return [...limit("coldest", "alarm below"), ...limit("warmest", "alarm above")];
}

function marks(alarms) {
  return alarms.map(({ began_ms, ended_ms, kind }) => ({ from_ms: began_ms, to_ms: ended_ms ?? now(), text: kind, colour: BEYOND[kind] ?? "--bad" }));
}

// The figures below the chart, as in templates/client.html.

function showFigures() {
  const { points, alarms, from_ms } = shown;
  const texts = points.length ? figures(points, alarms, from_ms) : {};
  for (const name of ["least", "least-at", "mean", "most", "most-at", "over", "outside", "alarms"]) {
    const text = texts[name] ?? (FIGURES.includes(name) ? "–" : "");
    if (value(name).textContent !== text) value(name).textContent = text;
  }
}

function figures(points, alarms, from_ms) {
  const least = points.reduce((one, other) => (other.least < one.least ? other : one));
  const most = points.reduce((one, other) => (other.most > one.most ? other : one));
  const number = points.reduce((sum, point) => sum + point.number, 0);
  const mean = points.reduce((sum, point) => sum + point.mean * point.number, 0) / number;
  const beyond = alarms.filter((alarm) => alarm.kind !== "silent");
  const inAlarm = beyond.reduce((sum, alarm) => sum + Math.max(0, Math.min(alarm.ended_ms ?? now(), shown.to_ms, now()) - Math.max(alarm.began_ms, from_ms)), 0);
  return {
    least: temperature(least.least), "least-at": shortMoment(least.at_ms),
    most: temperature(most.most), "most-at": shortMoment(most.at_ms),
    mean: temperature(mean), over: `over ${span(shown.to_ms - from_ms)}`,
    outside: beyond.length ? span(inAlarm) : "never", alarms: beyond.length ? counted(beyond.length, "alarm") : "",
  };
}

const table = document.querySelector(".values");

function showTable() {
  if (!table.open) return;
  const cell = (name, text) => Object.assign(document.createElement(name), { textContent: text });
  const digits = (millicelsius) => temperature(millicelsius).replace(/ .*/, "");
  const lines = rowsNow.toReversed().filter((row, i, all) => row.point || all[i - 1]?.point).map(({ from_ms, point }) => {
    const line = document.createElement("tr");
    const head = Object.assign(cell("th", shortMoment(from_ms)), { scope: "row" });
    if (point) line.append(head, ...["least", "mean", "most"].map((name) => cell("td", digits(point[name]))));
    else line.append(head, Object.assign(cell("td", "nothing was received"), { colSpan: 3, className: "dim" }));
    return line;
  });
  document.getElementById("bins").replaceChildren(...lines);
  if (shown.points.length) table.querySelector("caption").textContent = `${span(shown.points[0].length_ms)} in each row, in ${unit()}`;
}

// Changes while the page is open.

function showNow({ millicelsius, received_ms, heard_ms }) {
  if (heard_ms !== null) document.querySelector("[data-live=heard]").replaceChildren(timeOf(heard_ms));
  if (millicelsius !== null && received_ms !== null) {
    const box = document.querySelector("[data-live=now]");
    box.querySelector(".degrees").textContent = temperature(millicelsius);
    box.querySelector(".dim").replaceChildren(timeOf(received_ms));
  }
  showTimes();
}

const timeOf = (ms) => Object.assign(document.createElement("time"), { dateTime: new Date(ms).toISOString() });

// The times in the server's HTML, by the reader's choices.
function showTimes() {
  showAges();
  for (const time of document.querySelectorAll("time[data-fixed]")) {
    const ms = Date.parse(time.dateTime);
    time.textContent = time.closest(".about") ? moment(ms) : shortMoment(ms);
    time.title = moment(ms);
  }
}

// The parts that are HTML: alarms, taps, limits. Forms keep their texts, and the units in which they were made.
let meanwhile = null; // The values of the last event since the last load began.

async function loadParts() {
  meanwhile = null;
  const fresh = await fetchPage(location.href);
  const hasOther = hasOtherSettings(fresh);
  if (hasOther) takeSettings(fresh);
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (other !== null && other.innerHTML !== part.innerHTML) exchange(part, other);
  }
  const { coldest, warmest } = fresh.getElementById("course")?.dataset ?? place.dataset;
  Object.assign(place.dataset, { coldest, warmest });
  if (meanwhile !== null) showNow(meanwhile); // The answer can be older than this.
  showTimes();
  if (hasOther) drawAgain(fresh);
  loadNow();
}

// Shows the same values by other settings. The labels of the axes are computed again, too.
function drawAgain(fresh) {
  table.querySelector("caption").textContent = fresh.querySelector(".values caption").textContent;
  if (drawn === null) return;
  draw();
  drawn.plot.redraw(true, true);
}

// A link that has the keyboard focus keeps it.
function exchange(part, other) {
  const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  part.replaceChildren(...other.childNodes);
  if (focused !== null) part.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

const lookAtParts = follower(loadParts);

// Loads at once, and then after a pause. The pause is longer for longer bins, which a message changes less.
function loadSoon() {
  if (view().to_ms < now()) return;
  const pause = Math.max(LOAD_EVERY, (shown.points[0]?.length_ms ?? 0) / 60);
  clearTimeout(due);
  due = setTimeout(loadNow, Math.min(pause, Math.max(0, loadedMs + pause - Date.now()))); // The clock can be set back.
}

document.addEventListener("kegnet:change", ({ detail }) => {
  const id = place.dataset.client;
  if (detail.reload) {
    if (!detail.changed?.length || detail.changed.includes(id)) lookAtParts();
    return;
  }
  const mine = detail.clients?.[id];
  if (mine === undefined) return;
  meanwhile = mine;
  showNow(mine);
  if (detail.kinds.some((kind) => kind !== "ping")) lookAtParts();
  loadSoon();
});

for (const link of spans) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    go(`?over=${link.dataset.over}`);
  });
}
for (const button of document.querySelectorAll("[data-move]")) button.addEventListener("click", () => move(Number(button.dataset.move)));
back.addEventListener("click", () => history.back());
addEventListener("popstate", loadNow);
table.addEventListener("toggle", showTable);
setInterval(() => showAges(), MINUTE / 6);
showTimes();
loadNow();
