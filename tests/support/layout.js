// The problems of a page's layout, as an array of sentences: see layout.py. It is the body of a function.
const problems = [], close = 1.5;
const name = (e) => {
  const id = e.id ? "#" + e.id : e.className && e.className.baseVal === undefined ? "." + [...e.classList].join(".") : "";
  return `<${e.localName}${id}> "${(e.textContent || e.value || "").trim().replace(/\s+/g, " ").slice(0, 40)}"`;
};
const style = new Map();
const css = (e) => { if (!style.has(e)) style.set(e, getComputedStyle(e)); return style.get(e); };
const shown = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !offscreen(e);
// Text for screen readers only: moved away to the left, or cut to a pixel.
const offscreen = (e) => {
  for (let at = e; at; at = at.parentElement) {
    const box = at.getBoundingClientRect();
    if (["absolute", "fixed"].includes(css(at).position) && (box.right <= 0 || (box.width <= 1.5 && box.height <= 1.5))) return true;
  }
  return false;
};
const fixed = (e) => { for (let at = e; at; at = at.parentElement) if (["fixed", "sticky"].includes(css(at).position)) return true; return false; };
// The visible part: what its own box and those around it cut off is not there.
const cut = (box, e) => {
  let { left, top, right, bottom } = box;
  for (let at = e; at && at !== document.body; at = at.parentElement) {
    const outer = at.getBoundingClientRect();
    if (css(at).overflowX !== "visible") { left = Math.max(left, outer.left); right = Math.min(right, outer.right); }
    if (css(at).overflowY !== "visible") { top = Math.max(top, outer.top); bottom = Math.min(bottom, outer.bottom); }
  }
  return { left, top, right, bottom, width: right - left, height: bottom - top };
};
const boxesOf = (e) => {
  if (e.matches("input, select, textarea, button, img, meter, progress, canvas, svg, a.button")) return [e.getBoundingClientRect()];
  const found = [];
  for (const node of e.childNodes) {
    if (node.nodeType !== Node.TEXT_NODE || !node.textContent.trim()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    found.push(...range.getClientRects());
  }
  return found;
};
const scrolls = (e) => { for (let at = e.parentElement; at && at !== document.body; at = at.parentElement) if (["auto", "scroll"].includes(css(at).overflowX)) return true; return false; };
const width = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > width + close) problems.push(`scrolls sideways: ${document.documentElement.scrollWidth} > ${width}`);
const things = [];
for (const e of document.body.querySelectorAll("*")) {
  if (e.closest("svg") && e.localName !== "svg") continue;
  if (e.matches("option, script, style, template, [data-layout=free], [data-layout=free] *, .uplot *") || !shown(e)) continue;
  for (const whole of boxesOf(e)) {
    const box = cut(whole, e);
    if (box.width <= close || box.height <= close) continue;
    if (!scrolls(e) && (box.left < -close || box.right > width + close)) problems.push(`sticks out of the window: ${name(e)} ${Math.round(box.left)}..${Math.round(box.right)}`);
    const card = e.parentElement.closest(".card, .tap, article, fieldset, td, th, button, .button, .badge");
    if (card && !scrolls(e)) {
      const outer = card.getBoundingClientRect();
      if (box.left < outer.left - close || box.right > outer.right + close || box.top < outer.top - close || box.bottom > outer.bottom + close) problems.push(`sticks out of ${name(card)}: ${name(e)}`);
    }
    things.push([e, box]);
  }
  const hides = (value) => value === "hidden" || value === "clip";
  const clamped = css(e).webkitLineClamp !== "none", ellipsis = css(e).textOverflow === "ellipsis";
  const text = [...e.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()) || clamped;
  if (text && hides(css(e).overflowX) && e.scrollWidth > e.clientWidth + close && !ellipsis && !clamped) problems.push(`cut off without an ellipsis: ${name(e)}`);
  if (text && hides(css(e).overflowY) && e.scrollHeight > e.clientHeight + 3 && !clamped && css(e).whiteSpace !== "nowrap") problems.push(`cut off below: ${name(e)}`);
  if (e.matches("button, .button, input:not([type=hidden], [type=checkbox], [type=radio], [type=range]), select, textarea")) {
    const box = e.getBoundingClientRect();
    if (box.height < 43.5) problems.push(`less than 44 px high: ${name(e)} ${box.height}`);
  }
}
// An element against each that is neither around it nor in it.
things.sort(([, a], [, b]) => a.left - b.left);
for (let i = 0; i < things.length; i++) {
  const [e, a] = things[i];
  for (let j = i + 1; j < things.length && things[j][1].left < a.right - close; j++) {
    const [f, b] = things[j];
    if (e === f || e.contains(f) || f.contains(e) || fixed(e) !== fixed(f)) continue;
    const across = Math.min(a.right, b.right) - Math.max(a.left, b.left), down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    // Boxes of lines are a little higher than their letters.
    const slack = Math.min(a.height, b.height) * 0.25;
    if (across > close && down > Math.max(close, slack)) problems.push(`overlap: ${name(e)} and ${name(f)} by ${Math.round(across)} x ${Math.round(down)}`);
  }
}
return [...new Set(problems)];
