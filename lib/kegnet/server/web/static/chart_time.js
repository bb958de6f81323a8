// Times at the axis and in the hint of a chart, by the reader's choices and the time zone of the installation; see format.js.
import { clock, date, format, moment } from "./format.js";

export { moment };

const DAY = 86_400_000;
const page = document.documentElement.dataset;

export const zone = () => format({}).resolvedOptions().timeZone;

// A day with its weekday, without the year.
export const day = (ms) => (page.dates === "iso" ? date(ms) : format({ weekday: "short", day: "numeric", month: "short" }).format(ms));

// Day and time, without the year.
export const shortMoment = (ms) => `${day(ms)}, ${clock(ms)}`;

// A stretch of time, with a common day only once.
export function stretch(from_ms, to_ms) {
  const [first, last] = [day(from_ms), day(to_ms)];
  return first === last ? `${first}, ${clock(from_ms)} to ${clock(to_ms)}` : `${shortMoment(from_ms)} to ${shortMoment(to_ms)}`;
}

// The labels of uPlot's time axis: the time, the day where it begins, the year where that begins.
export function timeLabels(_plot, splits, _axis, _space, step_ms) {
  let before = null;
  return splits.map((ms) => {
    const text = step_ms >= DAY || isMidnight(ms) ? dayLabel(ms, before) : clock(ms);
    before = ms;
    return text;
  });
}

function dayLabel(ms, before) {
  if (page.dates === "iso") return date(ms).slice(5);
  const begins = before !== null && year(before) !== year(ms);
  return format({ day: "numeric", month: "short", ...(begins ? { year: "numeric" } : {}) }).format(ms);
}

const year = (ms) => format({ year: "numeric" }, "en").format(ms);
const isMidnight = (ms) => /^0?0:00$/.test(format({ hour: "numeric", minute: "2-digit", hourCycle: "h23" }, "en-GB").format(ms));
