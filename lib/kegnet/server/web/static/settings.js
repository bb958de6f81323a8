// Completes the wall's link with the address of this page, to be copied.
const link = document.querySelector("[data-address]");
if (link) {
  link.value = location.origin + link.value;
  link.addEventListener("focus", () => link.select());
}
