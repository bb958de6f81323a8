// The search of the library: hides beers that do not match, during typing.
const field = document.getElementById("wanted");
const list = document.getElementById("library");

function show() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let matches = 0;
  for (const beer of list.children) {
    const matching = words.every((word) => beer.dataset.searched.includes(word));
    beer.hidden = !matching;
    matches += matching;
  }
  document.getElementById("nothing").hidden = matches > 0;
  document.getElementById("unmatched").textContent = field.value.trim();
  const add = document.getElementById("add-wanted");
  add.href = `${add.href.split("?")[0]}?name=${encodeURIComponent(field.value.trim())}`;
  document.getElementById("matches").textContent = words.length ? `${matches} of ${list.children.length} beers` : "";
}

// The list is complete, unless the server has already searched.
if (field && list && !field.defaultValue) {
  field.addEventListener("input", show);
  field.form.addEventListener("submit", (event) => {
    event.preventDefault();
    const links = [...list.children].filter((beer) => !beer.hidden).map((beer) => beer.querySelector("a"));
    if (links.length === 1) links[0].click();
  });
  if (field.value) show();
}
