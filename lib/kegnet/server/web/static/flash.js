// Screen readers announce a status when its text changes, not when a page comes with it: the text is set again.
const status = document.querySelector("#flash [role=status]");
if (status) {
  const text = status.textContent;
  status.textContent = "";
  setTimeout(() => { status.textContent = text; }, 150);
}
