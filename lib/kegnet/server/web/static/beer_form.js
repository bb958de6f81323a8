// The form of a beer. The glass shows the colour during typing, and a slider sets it. Notes that are too long are not sent: the server does
// not read a form that is much too large, so it could not show the text again.
const EBC_PER_SRM = 1.97;

for (const form of document.querySelectorAll(".beer-form")) {
  const shades = form.dataset.shades.split(" ");
  const number = form.elements.colour, unit = form.elements.colour_unit;
  const slider = form.querySelector("[type=range]"), beer = form.querySelector(".glass rect"), glass = form.querySelector(".glass");

  const perSrm = () => (unit.value === "EBC" ? EBC_PER_SRM : 1);

  // Null: not a number.
  function srm() {
    const text = number.value.trim().replace(",", ".");
    const written = /^([\d.]+)\s*(EBC|SRM)?$/i.exec(text);
    if (!written) return null;
    return Number(written[1]) / (written[2] ? (written[2].toUpperCase() === "EBC" ? EBC_PER_SRM : 1) : perSrm());
  }

  function paint() {
    const found = srm();
    beer.setAttribute("fill", shades[Math.min(shades.length - 1, Math.max(0, Math.round(found ?? 5)))]);
    glass.classList.toggle("unknown", found === null);
    if (found !== null) slider.value = found;
    slider.setAttribute("aria-valuetext", `${Math.round(slider.value)} SRM`);
  }

  number.addEventListener("input", paint);
  unit.addEventListener("change", paint);
  slider.addEventListener("input", () => {
    number.value = String(Math.round(slider.value * perSrm() * 10) / 10);
    paint();
  });
  const notes = form.elements.notes;
  notes.addEventListener("input", () => {
    const atMost = Number(notes.dataset.atMost);
    const letters = [...notes.value.replace(/[^\S\n]+$/gm, "").trim()].length;
    notes.setCustomValidity(letters > atMost ? `enter at most ${atMost} characters; these are ${letters}` : "");
  });
  slider.parentElement.hidden = false;
  paint();
}
