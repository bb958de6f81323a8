// The level of a keg over time. Without scripts, the page has a table.
import { chart } from "./chart.js";
import { fetchNow, follower } from "./follow.js";
import { keg } from "./format.js";

const place = document.getElementById("level-chart");
const html = document.documentElement.dataset;
const SIZES = { l: 1000, pt: 473.176473, "imp-pt": 568.26125, oz: 3785.411784 };
const size = SIZES[html.volume] ?? SIZES.l;
let drawn = null;

async function load() {
  const level = await (await fetchNow(place.dataset.url)).json();
  if (level.points.length) show(level);
}

function show({ points, until_ms: until }) {
  const last = points.at(-1);
  // A level is constant until the next pour, so the line is extended to now.
  const all = last.at_ms < until ? [...points, { at_ms: until, left_ml: last.left_ml }] : points;
  const data = {
    times: all.map((point) => point.at_ms),
    series: [{ name: "", values: all.map((point) => point.left_ml / size), stepped: true, fill: true }],
    from_ms: all[0].at_ms,
    to_ms: Math.max(all.at(-1).at_ms, all[0].at_ms + 60000),
  };
  place.hidden = false;
  if (drawn) return drawn.show(data);
  drawn = chart(place, { ...data, zero: true, format: (value) => keg(value * size), axis: (value) => String(Number(value.toFixed(2))), empty: "nothing was poured" });
}

if (place) {
  const follow = follower(load);
  load().catch(follow);
  document.addEventListener("kegnet:tap", follow);
}
