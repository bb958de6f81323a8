// The wall's link with the address by which this page was opened, ready to be copied.
const link = document.querySelector("[data-address]");
if (link) {
  link.value = location.origin + link.value;
  link.addEventListener("focus", () => link.select());
}
