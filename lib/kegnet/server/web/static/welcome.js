// Preselects what the browser knows: the time zone, and the units of the country. Not in a form that came back with what was chosen.

const form = document.querySelector("form.welcome");
const { timeZone, locale } = Intl.DateTimeFormat().resolvedOptions();

function choose(name, value) {
  const select = form.elements.namedItem(name);
  if ([...select.options].some((option) => option.value === value)) select.value = value;
}

if (form && !("kept" in form.dataset)) {
  choose("time_zone", timeZone);
  const region = new Intl.Locale(navigator.language || locale).maximize().region;
  if (["US", "LR", "BS", "BZ", "KY", "PW"].includes(region)) choose("temperature", "F");
  if (region === "US") choose("volume", "oz");
  if (region === "GB" || region === "IE") choose("volume", "imp-pt");
}
