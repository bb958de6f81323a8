// Sends the chosen file or the pasted text unchanged, and shows the page of the answer, the preview.
import { onFile } from "./drop.js";
import { token } from "./token.js";

const form = document.getElementById("file-form");
const wrong = document.getElementById("file-wrong"), state = document.getElementById("file-state");

async function send(file) {
  wrong.textContent = "";
  if (file.size > Number(form.dataset.limit)) {
    wrong.textContent = `${file.name} is larger than ${form.dataset.limit / 1000} KB. Export fewer recipes at a time, or use kegnet-server beers import on the server.`;
    return;
  }
  state.textContent = `${file.name} is being read…`;
  try {
    const headers = { "Content-Type": "application/octet-stream", "X-CSRF-Token": await token() };
    const answer = await fetch(location.pathname, { method: "POST", body: file, headers });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const refused = page.getElementById("file-wrong");
    if (answer.ok) {
      document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
      document.getElementById("found").focus();
      scrollTo(0, 0);
    } else if (refused) {
      wrong.textContent = refused.textContent;
    } else {
      wrong.textContent = page.querySelector("main h1")?.textContent ?? "The server did not accept the file.";
    }
  } catch {
    wrong.textContent = "The server does not answer. Try again.";
  }
  state.textContent = "";
}

form.hidden = false;
onFile(document.getElementById("file"), form.querySelector(".drop"), send);
document.querySelector("#paste form").addEventListener("submit", (event) => {
  event.preventDefault();
  send(new File([document.getElementById("text").value], "The text"));
});
