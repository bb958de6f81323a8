// Times, volumes and temperatures as text, in the reader's units, with the same texts as model/units.py and model/forecast.py.
// The reader's choices are in the data attributes of <html>, see templates/html_data.html.

const page = document.documentElement.dataset;
const SETTINGS = ["temperature", "volume", "clock", "dates", "zone", "glassMl"];
const MINUTE = 60000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const VOLUMES = { l: [1000, "l", 2], pt: [473.176473, "pt", 1], "imp-pt": [568.26125, "imp. pt", 1], oz: [29.5735295625, "fl oz", 0] };
const KEGS = { ...VOLUMES, l: [1000, "l", 1], oz: [3785.411784, "gal", 2] };
const SMALL_OFFSET = 5000;

let offset = 0;

// Sets the time of the server, in Unix milliseconds: the clock of a tablet can be wrong. A small difference is the delay of the network.
export function setServerTime(ms) {
  const difference = ms - Date.now();
  offset = Math.abs(difference) > SMALL_OFFSET ? difference : 0;
}

// Now, by the clock of the server.
export const now = () => Date.now() + offset;

// A duration: "5 minutes", "2 hours", "3 days".
export function span(ms) {
  if (ms < MINUTE) return "less than a minute";
  const [minutes, hours, days] = [MINUTE, HOUR, DAY].map((size) => Math.round(ms / size));
  if (minutes < 60) return counted(minutes, "minute");
  return hours < 24 ? counted(hours, "hour") : counted(days, "day");
}

// How long ago a moment is, in Unix milliseconds.
export function ago(ms) {
  const gone = now() - ms;
  return gone < MINUTE ? "just now" : `${span(gone)} ago`;
}

// A number of things: "1 glass", "2 glasses".
export const counted = (number, name) => `${number} ${name}${number === 1 ? "" : name.endsWith("s") ? "es" : "s"}`;

// The volume of a pour, in the reader's unit.
export const volume = (ml) => amount(ml, VOLUMES);

// The volume of a keg, or what is left in it.
export const keg = (ml) => amount(ml, KEGS);

function amount(ml, units) {
  const [size, name, decimals] = units[page.volume] ?? units.l;
  return `${(ml / size).toFixed(decimals)} ${name}`;
}

// How many whole glasses that is: "27 glasses".
export const glasses = (ml) => counted(Math.floor(ml / Number(page.glassMl || 330)), "glass");

// A temperature as a number of the reader's degrees.
export const degrees = (millicelsius) => page.temperature === "F" ? millicelsius * 0.0018 + 32 : millicelsius / 1000;

// A temperature: "4.2 °C". Never "-0.0".
export function temperature(millicelsius) {
  const text = degrees(millicelsius).toFixed(1);
  return `${text === "-0.0" ? "0.0" : text} °${page.temperature === "F" ? "F" : "C"}`;
}

// Until when a keg lasts, from now on: "until Saturday", "11 days".
export function until(lastsMs) {
  const [start, end] = [now(), now() + Math.min(lastsMs, 3650 * DAY)].map(wall);
  const days = Math.round((end.midnight - start.midnight) / DAY);
  if (days === 0 && end.hour < 17) return end.hour < 12 ? "until noon" : "until this afternoon";
  if (days === 0 || (days === 1 && end.hour < 5)) return "until tonight";
  if (days === 1) return "until tomorrow";
  if (days < 7) return `until ${end.weekday}`;
  if (days < 21) return `${days} days`;
  if (days < 84) return `${Math.floor(days / 7)} weeks`;
  return days < 365 ? `${Math.floor(days / 30)} months` : "more than a year";
}

// The date and the hour of a moment by the clock of the installation.
function wall(ms) {
  const options = { weekday: "long", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", hourCycle: "h23" };
  const parts = Object.fromEntries(format(options, "en").formatToParts(ms).map(({ type, value }) => [type, value]));
  return { midnight: Date.UTC(parts.year, parts.month - 1, parts.day), hour: Number(parts.hour), weekday: parts.weekday };
}

// The time of day: "21:47" or "9:47 PM".
export const clock = (ms) => format({ hour: "numeric", minute: "2-digit", ...hours() }).format(ms);

// The date: as the browser writes it, or ISO 8601.
export function date(ms) {
  if (page.dates === "iso") return format({ year: "numeric", month: "2-digit", day: "2-digit" }, "sv").format(ms);
  return format({ weekday: "short", year: "numeric", month: "short", day: "numeric" }).format(ms);
}

// The date and the time of day.
export const moment = (ms) => `${date(ms)}, ${clock(ms)}`;

const hours = () => page.clock === "24" ? { hourCycle: "h23" } : page.clock === "12" ? { hourCycle: "h12" } : {};

// Takes over the choices and settings of an answer that is newer than this page.
export function takeSettings({ documentElement }) {
  for (const name of SETTINGS) page[name] = documentElement.dataset[name] ?? page[name];
}

// Whether an answer is a page of the server that was made with other choices or settings.
export function hasOtherSettings({ documentElement: { dataset } }) {
  return dataset.zone !== undefined && SETTINGS.some((name) => dataset[name] !== page[name]);
}

const formats = new Map();

// A format in the time zone of the installation. It is cached, because making one costs much more than using it.
export function format(options, locale) {
  const key = JSON.stringify([options, locale, page.zone]);
  if (!formats.has(key)) formats.set(key, made(options, locale));
  return formats.get(key);
}

function made(options, locale) {
  try {
    return new Intl.DateTimeFormat(locale, { ...options, timeZone: page.zone });
  } catch {
    return new Intl.DateTimeFormat(locale, options); // This browser does not know the time zone.
  }
}

// Computes the ages below `root` again: the text and the title of each <time>.
export function showAges(root = document) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-fixed])")) {
    const ms = Date.parse(time.dateTime);
    const text = ago(ms);
    if (time.textContent !== text) time.textContent = text;
    time.title = moment(ms);
  }
}

if (page.now) setServerTime(Number(page.now));
