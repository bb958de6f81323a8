// On the page of a refusal: sends the refused form again, by the session that has begun meanwhile. Not every browser still shows what was
// typed when one goes back to the form.
import { kept } from "./once.js";
import { token } from "./token.js";

const form = document.getElementById("again"), button = form.querySelector("button"), wrong = form.querySelector(".wrong");
const sent = kept();

function field([name, value]) {
  const input = document.createElement("input");
  Object.assign(input, { type: "hidden", name, value });
  return input;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  wrong.textContent = "";
  try {
    form.elements.csrf_token.value = await token();
    form.submit();
  } catch {
    wrong.textContent = "The server does not answer. Try again.";
    button.disabled = false;
  }
});
addEventListener("pageshow", () => { button.disabled = false; });

// The page has the address to which the form was sent.
if (sent?.to === location.href) {
  form.append(...sent.fields.map(field));
  form.hidden = false;
  document.getElementById("back")?.remove();
}
