// Screen readers announce a status only when its text changes, so the text is set again after the load.
const status = document.querySelector("#flash [role=status]");
if (status) {
  const text = status.textContent;
  // The height is kept meanwhile, so that the button for the undo does not move.
  status.style.setProperty("min-height", `${status.offsetHeight}px`);
  status.textContent = "";
  setTimeout(() => { status.textContent = text; }, 150);
}
