// Changes a card of templates/card.html in place.

import { ago, glasses, keg, moment, until, volume } from "./format.js";

const GLASS_HEIGHT = 95; // As in web/cards.py.

// Fills a glass to `level`, 0 to 1: one attribute moves the beer and its foam inside the shape of the glass.
export function setLevel(glass, level) {
  const beer = glass.querySelector("[data-level]");
  beer.dataset.level = level.toFixed(3);
  beer.setAttribute("transform", `translate(0 ${shift(level)})`);
  glass.classList.remove("unknown");
}

function shift(level) {
  return (level > 0 ? (1 - level) * GLASS_HEIGHT : 1.2 * GLASS_HEIGHT).toFixed(1);
}

// Shows the values of a tap (those of an event of /events) on its card.
export function showTap(card, { left_ml: left, level, lasts_ms: lasts, alarms, state, last }) {
  const empty = state === "empty", gone = state === "none";
  card.dataset.state = state;
  if (level !== null) setLevel(card.querySelector(".glass"), level);
  if (!gone) setText(card, "left", empty ? "Empty" : left === null ? "Level unknown" : keg(left));
  setText(card, "glasses", empty || gone || left === null ? "" : glasses(left));
  setText(card, "until", empty || gone || lasts === null ? "" : until(lasts));
  if (last) setLast(card, last.ml, last.at_ms); else setText(card, "last", "No pours yet");
  setText(card, "alarms", alarms.join(", "));
  card.classList.toggle("alarmed", alarms.length > 0);
}

function setLast(card, ml, ms) {
  const last = card.querySelector("[data-value=last]");
  if (!last) return;
  const time = document.createElement("time");
  time.dateTime = new Date(ms).toISOString();
  time.textContent = ago(ms);
  time.title = moment(ms);
  last.replaceChildren(`${volume(ml)} `, time);
}

// Sets the text of the element with that `data-value`, if there is one and its text differs.
export function setText(root, value, text) {
  const element = root.querySelector(`[data-value=${value}]`);
  if (element && element.textContent !== text) element.textContent = text;
}
