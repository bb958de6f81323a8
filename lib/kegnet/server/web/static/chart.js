// A chart of values over time, with mouse, finger and keyboard. It needs uPlot: templates/chart_files.html.
//
//   const drawn = chart(element, {
//     times: [ms, ...],                                    // ascending
//     series: [{ name, values: [number | null, ...], colour: "--accent", stepped: false, fill: false }],
//     bands: [{ name, low: [...], high: [...], colour: "--accent" }],
//     lines: [{ value, text, colour: "--bad" }],           // over the whole width
//     spans: [{ from_ms, to_ms, text, colour: "--bad" }],  // marked; to_ms null: still
//     from_ms, to_ms,                                      // the shown stretch of time
//     format: (value) => "4.2 °C",                         // in the hint
//     axis: (value, step) => "4°",                         // at the axis
//     when: (index) => "Mon 30 Nov, 18:20",                // the time in the hint
//     extent: (index) => [from_ms, to_ms],                 // the stretch of time of a value, if it is not a moment
//     empty: "no temperature was received",                // the hint where all values are null
//     least_range: 1, zero: false,                         // the value axis: its least length; whether it begins at 0
//     zoomed: (from_ms, to_ms) => {},                      // the reader has chosen a stretch of time
//   });
//   drawn.show({ times, series, bands, lines, spans, from_ms, to_ms });  // any of these; the number of series and bands must not change
//   drawn.plot                                             // the uPlot object
//   drawn.destroy();
//
// A null value is a gap. Values are in the reader's units: the axis has round numbers of them. Colours are custom properties of base.css.
import { fingers } from "./chart_touch.js";
import { shortMoment, timeLabels, zone } from "./chart_time.js";

const uPlot = window.uPlot;
const AXIS_GAP = 6;
const FEWEST_PIXELS = 8;
// The distance of the numbers at the value axis.
const STEPS = [-3, -2, -1, 0, 1, 2, 3, 4].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));

export function chart(element, options) {
  const state = { lines: [], spans: [], bands: [], series: [], least_range: 1, format: String, axis: String, empty: "no data", ...options };
  state.when ??= (index) => shortMoment(state.times[index]);
  element.classList.add("plot");
  const tip = hint(element);
  const size = () => ({ width: Math.max(element.clientWidth, 100), height: Math.max(element.clientHeight, 100) });
  const plot = new uPlot({ ...size(), ...looks(state), ...hooks(state, tip) }, columns(state), element);
  plot.over.append(tip);
  const resized = new ResizeObserver(() => plot.setSize(size()));
  resized.observe(element);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const recolour = () => plot.redraw();
  dark.addEventListener("change", recolour);
  const look = (from_ms, to_ms) => {
    Object.assign(state, { from_ms, to_ms });
    plot.setScale("x", { min: from_ms, max: to_ms });
  };
  look(state.from_ms, state.to_ms);
  fingers(plot, look, () => state.zoomed?.(state.from_ms, state.to_ms));
  keys(element, plot, tip);

  function show(changes) {
    Object.assign(state, changes);
    plot.batch(() => {
      plot.setData(columns(state), false);
      look(state.from_ms, state.to_ms);
    });
  }

  function destroy() {
    resized.disconnect();
    dark.removeEventListener("change", recolour);
    plot.destroy();
    tip.remove();
  }

  return { show, destroy, plot };
}

// The data as uPlot has it: times, then the series, then the low and the high edge of each band.
function columns({ times, series, bands }) {
  return [times, ...series.map((one) => one.values), ...bands.flatMap((band) => [band.low, band.high])];
}

function looks(state) {
  const firstBand = 1 + state.series.length;
  const edge = () => ({ width: 0, stroke: "transparent", points: { show: false } });
  return {
    ms: 1,
    tzDate: (ms) => uPlot.tzDate(new Date(ms), zone()),
    legend: { show: false },
    padding: [10, () => 2.2 * rem(), 0, 0], // Half of the longest label at the right end of the axis.
    cursor: { y: false, drag: { x: true, y: false, setScale: false, dist: FEWEST_PIXELS }, points: { size: (_plot, i) => (i < firstBand ? 9 : 0) } },
    scales: { x: { time: true, range: () => [state.from_ms, state.to_ms] }, y: { range: () => valueRange(state) } },
    axes: axes(state),
    series: [{}, ...state.series.map(lineOf), ...state.bands.flatMap(() => [edge(), edge()])],
    bands: state.bands.map((band, i) => ({
      series: [firstBand + 2 * i + 1, firstBand + 2 * i],
      fill: () => colour(band.colour ?? "--accent", 0.3),
    })),
  };
}

function lineOf(one) {
  const ink = () => colour(one.colour ?? "--accent");
  return {
    width: 2, stroke: ink, points: { fill: ink, size: 5, filter: (plot, i, all) => (all ? null : lone(plot.data[i])) },
    paths: one.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
    fill: one.fill ? () => colour(one.colour ?? "--accent", 0.15) : undefined,
  };
}

function axes(state) {
  const common = { font: font(), stroke: () => colour("--dim"), grid: { stroke: () => colour("--edge"), width: 1 }, ticks: { show: false }, gap: AXIS_GAP };
  const widest = (plot, labels) => {
    plot.ctx.font = font(devicePixelRatio);
    return Math.ceil(Math.max(0, ...labels.map((label) => plot.ctx.measureText(label ?? "").width)) / devicePixelRatio);
  };
  const values = (plot, splits, _axis, _space, step) => splits.map((value) => state.axis(value, step));
  return [
    { ...common, values: timeLabels, space: () => 5 * rem(), size: () => 1.1 * rem() + AXIS_GAP + 4 },
    { ...common, values, incrs: STEPS, space: () => 2.6 * rem(), size: (plot, labels) => (labels ? widest(plot, labels) : 0) + AXIS_GAP + 4 },
  ];
}

// The range of the visible values. Limits that are so far away that the values would be a flat line are left out.
function valueRange({ times, from_ms, to_ms, series, bands, lines, least_range, zero }) {
  const seen = times.map((_, i) => i).filter((i) => times[i] >= from_ms && times[i] <= to_ms);
  const arrays = [...series.map((one) => one.values), ...bands.flatMap((band) => [band.low, band.high])];
  const values = arrays.flatMap((array) => seen.map((i) => array[i])).filter((value) => !missing(value));
  const limits = lines.map((line) => line.value);
  let [low, high] = bounds(values.length ? values : limits.length ? limits : [0, 10]);
  const most = 4 * Math.max(high - low, least_range);
  for (const limit of limits) {
    const [lower, higher] = [Math.min(low, limit), Math.max(high, limit)];
    if (higher - lower <= most) [low, high] = [lower, higher];
  }
  if (zero) low = Math.min(0, low);
  const widened = Math.max(0, least_range - (high - low)) / 2;
  const air = 0.06 * Math.max(high - low, least_range);
  return [zero && low === 0 ? 0 : low - widened - air, high + widened + air];
}

function bounds(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}

function hooks(state, tip) {
  return {
    hooks: {
      drawClear: [kept((plot) => state.spans.forEach((span) => drawSpan(plot, state, span)))],
      draw: [kept((plot) => { loneBands(plot, state); drawEmpty(plot, state); state.lines.forEach((line) => drawLine(plot, line)); })],
      setCursor: [(plot) => showHint(plot, state, tip)],
      setSelect: [(plot) => selected(plot, state)],
    },
  };
}

// uPlot caches the state of its canvas.
function kept(draw) {
  return (plot) => {
    plot.ctx.save();
    draw(plot);
    plot.ctx.restore();
  };
}

function drawEmpty({ ctx, bbox }, { times, from_ms, to_ms, series, empty }) {
  if (times.some((ms, i) => ms >= from_ms && ms <= to_ms && series.some((one) => !missing(one.values[i])))) return;
  ctx.font = font(devicePixelRatio);
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillStyle = colour("--dim");
  ctx.fillText(empty, bbox.left + bbox.width / 2, bbox.top + bbox.height / 3);
}

function selected(plot, state) {
  const { left, width } = plot.select;
  if (width < FEWEST_PIXELS) return;
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  state.zoomed?.(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
}

function drawSpan(plot, state, { from_ms, to_ms, colour: name }) {
  const { ctx, bbox } = plot;
  const [from, to] = [from_ms, to_ms ?? state.to_ms].map((ms) => plot.valToPos(ms, "x", true));
  const left = Math.max(from, bbox.left);
  const width = Math.max(Math.min(to, bbox.left + bbox.width) - left, 2 * devicePixelRatio);
  if (to < bbox.left || left > bbox.left + bbox.width) return;
  ctx.fillStyle = colour(name ?? "--bad", 0.13);
  ctx.fillRect(left, bbox.top, width, bbox.height);
  ctx.fillStyle = colour(name ?? "--bad");
  ctx.fillRect(left, bbox.top, width, 4 * devicePixelRatio);
}

const missing = (value) => value === null || value === undefined;

// The indexes of values between two gaps: a line has no length there, and a band no width.
function lone(values) {
  const found = values.map((_, i) => i).filter((i) => !missing(values[i]) && missing(values[i - 1]) && missing(values[i + 1]));
  return found.length ? found : null;
}

function loneBands(plot, { times, bands }) {
  const { ctx } = plot;
  for (const { low, high, colour: name } of bands) {
    ctx.strokeStyle = colour(name ?? "--accent", 0.45);
    ctx.lineWidth = 3 * devicePixelRatio;
    for (const i of lone(low) ?? []) {
      const x = plot.valToPos(times[i], "x", true);
      if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, plot.valToPos(low[i], "y", true));
      ctx.lineTo(x, plot.valToPos(high[i], "y", true));
      ctx.stroke();
    }
  }
}

function drawLine(plot, { value, text, colour: name }) {
  const { ctx, bbox } = plot;
  const y = Math.round(plot.valToPos(value, "y", true));
  if (y < bbox.top || y > bbox.top + bbox.height) return;
  const ink = colour(name ?? "--bad");
  ctx.strokeStyle = ink;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.setLineDash([6 * devicePixelRatio, 5 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  if (text) labelLine(ctx, bbox, y, text, ink);
}

// Above the line, or below it if there is no room.
function labelLine(ctx, bbox, y, text, ink) {
  const above = y - 1.2 * rem() * devicePixelRatio > bbox.top;
  ctx.font = font(devicePixelRatio);
  ctx.textAlign = "right";
  ctx.textBaseline = above ? "bottom" : "top";
  ctx.lineWidth = 4 * devicePixelRatio;
  ctx.setLineDash([]);
  ctx.lineJoin = "round";
  ctx.strokeStyle = colour("--card");
  const at = [bbox.left + bbox.width - 4 * devicePixelRatio, y + (above ? -3 : 4) * devicePixelRatio];
  ctx.strokeText(text, ...at);
  ctx.fillStyle = ink;
  ctx.fillText(text, ...at);
}

// The hint beside the cursor.

function hint(element) {
  const tip = element.ownerDocument.createElement("div");
  tip.className = "plot-tip";
  tip.hidden = true;
  tip.setAttribute("role", "status");
  tip.setAttribute("aria-live", "off");
  return tip;
}

function showHint(plot, state, tip) {
  const { idx, left } = plot.cursor;
  tip.hidden = idx === null || idx === undefined || left < 0 || state.times.length === 0;
  if (tip.hidden) return;
  const lines = texts(state, idx);
  const key = JSON.stringify(lines);
  if (tip.dataset.key !== key) {
    tip.dataset.key = key;
    tip.replaceChildren(...lines.map(([kind, text]) => part(tip, kind, text)));
  }
  const at = plot.valToPos(state.times[idx], "x");
  const room = plot.over.clientWidth - tip.offsetWidth;
  const beside = at + 14 + tip.offsetWidth <= plot.over.clientWidth ? at + 14 : at - 14 - tip.offsetWidth;
  tip.style.setProperty("transform", `translate(${Math.max(0, Math.min(beside, room))}px, 10px)`);
}

function part(tip, kind, text) {
  const element = tip.ownerDocument.createElement(kind === "value" ? "b" : "div");
  element.className = kind;
  element.textContent = text;
  return element;
}

// [kind, text] of each line of the hint.
function texts(state, idx) {
  const { series, bands, format, spans, times, extent } = state;
  const values = [
    ...series.filter((one) => !missing(one.values[idx])).map((one) => `${one.name ? `${one.name} ` : ""}${format(one.values[idx])}`),
    ...bands.filter((band) => !missing(band.low[idx])).map((band) => `${format(band.low[idx])} to ${format(band.high[idx])}`),
  ];
  const [first, last] = extent?.(idx) ?? [times[idx], times[idx]];
  const here = spans.filter((span) => span.from_ms <= last && first <= (span.to_ms ?? Infinity) && span.text);
  return [
    ...(values.length ? values.map((text, i) => [i === 0 ? "value" : "more", text]) : [["more", state.empty]]),
    ["when", state.when(idx)],
    ...here.map((span) => ["bad", span.text]),
  ];
}

function keys(element, plot, tip) {
  element.tabIndex = 0;
  const move = (idx) => plot.setCursor({ left: plot.valToPos(plot.data[0][idx], "x"), top: 0 });
  element.addEventListener("keydown", (event) => {
    const [first, last] = visible(plot);
    const now = tip.hidden ? null : plot.cursor.idx;
    const target = { ArrowLeft: (now ?? last + 1) - 1, ArrowRight: (now ?? first - 1) + 1, Home: first, End: last }[event.key];
    if (event.key === "Escape") plot.setCursor({ left: -10, top: -10 });
    if (target === undefined || last < first) return;
    event.preventDefault();
    tip.setAttribute("aria-live", "polite");
    move(Math.max(first, Math.min(target, last)));
  });
  element.addEventListener("blur", () => { tip.setAttribute("aria-live", "off"); plot.setCursor({ left: -10, top: -10 }); });
}

function visible(plot) {
  const { min, max } = plot.scales.x;
  const times = plot.data[0];
  const first = times.findIndex((ms) => ms >= min);
  return first < 0 ? [0, -1] : [first, times.findLastIndex((ms) => ms <= max)];
}

// uPlot needs whole pixels.
function font(ratio = 1) {
  return `${Math.round(0.8 * rem() * ratio)}px system-ui, sans-serif`;
}

function rem() {
  return parseFloat(getComputedStyle(document.documentElement).fontSize);
}

// A custom property as a colour of the canvas.
function colour(name, alpha = 1) {
  const value = getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "#888";
  if (alpha === 1) return value;
  const context = (colour.context ??= document.createElement("canvas").getContext("2d"));
  context.fillStyle = value;
  return context.fillStyle + Math.round(255 * alpha).toString(16).padStart(2, "0");
}
