// Preselects the time zone of the browser and the units of its country, but not in a form that is shown again with choices.

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
