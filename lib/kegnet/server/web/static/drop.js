// A field for one file. A file can also be dropped on its label.
export function onFile(input, label, take) {
  input.addEventListener("change", () => {
    if (input.files.length) take(input.files[0]);
    input.value = "";
  });
  for (const kind of ["dragenter", "dragover"]) {
    label.addEventListener(kind, (event) => {
      event.preventDefault();
      label.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) label.addEventListener(kind, () => label.classList.remove("over"));
  label.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
}
