// Screen readers announce a status when its text changes, not when a page comes with it: the text is set again.
const status = document.querySelector("#flash [role=status]");
if (status) {
  const text = status.textContent;
  // Nothing below it moves meanwhile: the button for the undo must not jump away.
  status.style.setProperty("min-height", `${status.offsetHeight}px`);
  status.textContent = "";
  setTimeout(() => { status.textContent = text; }, 150);
}
