// Waits for the next pour: after an event about this tap it reloads the measurements, and keeps typed text.
import { fetchPage, follower } from "./follow.js";
import { showAges } from "./format.js";
import { isAbout } from "./tap.js";

const box = document.getElementById("measuring");

async function load() {
  const address = new URL(location.href);
  // Does not send a refused amount again.
  for (const name of ["pour", "amount"]) address.searchParams.delete(name);
  address.searchParams.set("parts", "1");
  // Typed text is kept, so its unit is kept, too.
  for (const { name, value } of box.querySelectorAll("[name=volume_unit_shown]")) address.searchParams.set(name, value);
  const fresh = (await fetchPage(address)).getElementById("measuring");
  // Replaces them only for another pour, so that a screen reader is not interrupted, and the focus is kept.
  if (fresh && fresh.dataset.pours !== box.dataset.pours) replace(fresh);
}

function replace(fresh) {
  const typed = [...box.querySelectorAll("input[id]")].map((input) => [input.id, input.value]), spill = spillBox()?.checked;
  const focused = document.activeElement?.id, known = box.querySelectorAll(".ask").length;
  box.dataset.pours = fresh.dataset.pours;
  box.replaceChildren(...fresh.childNodes);
  for (const [id, value] of typed) {
    const input = document.getElementById(id);
    if (input) input.value = value;
  }
  if (spillBox() && spill !== undefined) {
    spillBox().checked = spill;
    carry(spill);
  }
  showAges(box);
  const asks = box.querySelectorAll(".ask");
  if (focused && document.getElementById(focused)) document.getElementById(focused).focus();
  else if (asks.length > known) asks[0].querySelector("input:not([type=hidden])").select();
}

const spillBox = () => box.querySelector("[type=checkbox][name=spill]");

// Whether the pours are spilled is a part of the state, which is in the address, the links and the other forms.
function carry(spill) {
  const changed = (address) => {
    const url = new URL(address);
    if (spill) url.searchParams.set("spill", "1"); else url.searchParams.delete("spill");
    return url.href;
  };
  history.replaceState(history.state, "", changed(location.href));
  for (const link of box.querySelectorAll("a")) link.href = changed(link.href);
  for (const field of box.querySelectorAll("[type=hidden][name=spill]")) field.value = spill ? "1" : "";
}

box.addEventListener("change", ({ target }) => {
  if (target === spillBox()) carry(target.checked);
});

const look = follower(load);

document.addEventListener("kegnet:change", ({ detail }) => {
  if (isAbout(detail, box.dataset.tapId, box.dataset.client)) look();
});
