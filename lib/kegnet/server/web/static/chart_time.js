// Times at the axis and in the hint of a chart, by the reader's time zone and clock: the attributes data-zone and data-clock of <html>.

function formats() {
  const { zone, clock } = document.documentElement.dataset;
  const cycle = clock === "12" ? "h12" : "h23";
  const make = (parts) => {
    try {
      return new Intl.DateTimeFormat("en-GB", { timeZone: zone || undefined, ...parts });
    } catch {
      return new Intl.DateTimeFormat("en-GB", parts);
    }
  };
  return {
    time: make({ hour: clock === "12" ? "numeric" : "2-digit", minute: "2-digit", hourCycle: cycle }),
    day: make({ day: "numeric", month: "short" }),
    weekday: make({ weekday: "short", day: "numeric", month: "short" }),
    year: make({ year: "numeric" }),
  };
}

let made = null;
const use = () => (made ??= formats());

export const clockTime = (ms) => use().time.format(ms);
export const day = (ms) => use().weekday.format(ms).replace(",", "");
export const moment = (ms) => `${day(ms)}, ${clockTime(ms)}`;
export const zone = () => use().time.resolvedOptions().timeZone;

// The start and the end of a bin, without what is there twice.
export function stretch(from_ms, to_ms) {
  const [first, last] = [day(from_ms), day(to_ms)];
  return first === last ? `${first}, ${clockTime(from_ms)} to ${clockTime(to_ms)}` : `${moment(from_ms)} to ${moment(to_ms)}`;
}

// The labels of uPlot's time axis: the time, the day where it begins, the year where that begins.
export function timeLabels(_plot, splits, _axis, _space, step_ms) {
  let before = null;
  return splits.map((ms) => {
    const today = use().day.format(ms);
    const begins = step_ms >= 86_400_000 || clockTime(ms) === clockTime(midnight(ms));
    const label = begins ? (isNewYear(before, ms) ? `${today} ${use().year.format(ms)}` : today) : clockTime(ms);
    before = ms;
    return label;
  });
}

const isNewYear = (before, ms) => before !== null && use().year.format(before) !== use().year.format(ms);

function midnight() {
  return (midnight.ms ??= firstMidnight());
}

// Some moment at which the clock of the zone is 0:00.
function firstMidnight() {
  const parts = new Intl.DateTimeFormat("en-GB", { timeZone: zone(), hour: "numeric", minute: "numeric", hourCycle: "h23" });
  for (let ms = 0; ms < 86_400_000; ms += 900_000) if (/^0?0:00$/.test(parts.format(ms))) return ms;
  return 0;
}
