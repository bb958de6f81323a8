// Touch on a chart: one finger shows the values below it, two zoom and move. The page still scrolls up and down.

export function fingers(plot, look, zoomed) {
  const down = new Map();
  let pinch = null;
  const place = (event) => {
    const box = plot.over.getBoundingClientRect();
    return Math.max(0, Math.min(event.clientX - box.left, box.width));
  };
  const show = (event) => plot.setCursor({ left: place(event), top: 10 });

  plot.over.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse") return;
    down.set(event.pointerId, place(event));
    if (down.size === 1) show(event);
    if (down.size === 2) pinch = begin(plot, [...down.values()]);
  });
  plot.over.addEventListener("pointermove", (event) => {
    if (!down.has(event.pointerId)) return;
    down.set(event.pointerId, place(event));
    if (pinch !== null && down.size === 2) move(plot, look, pinch, [...down.values()]);
    else if (down.size === 1 && pinch === null) show(event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    plot.over.addEventListener(end, (event) => {
      down.delete(event.pointerId);
      if (pinch === null || down.size > 0) return;
      pinch = null;
      zoomed();
    });
  }
}

// The times below the fingers stay below them.
function begin(plot, places) {
  plot.setCursor({ left: -10, top: -10 });
  return places.map((left) => plot.posToVal(left, "x"));
}

function move(plot, look, [first_ms, second_ms], [first, second]) {
  const width = plot.over.clientWidth;
  const msPerPixel = (second_ms - first_ms) / (second - first || 1);
  if (!(msPerPixel > 0)) return;
  const from_ms = first_ms - first * msPerPixel;
  look(from_ms, from_ms + width * msPerPixel);
}
