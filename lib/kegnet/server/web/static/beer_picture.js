// Makes the picture of a beer small, and sends it.
import { onFile } from "./drop.js";
import { token } from "./token.js";

const SIDE = 800, LIMIT_BYTES = 300_000;
const form = document.getElementById("picture-form");

// At most SIDE pixels on each side. WebP, or JPEG if the browser writes PNG instead.
async function small(file) {
  const picture = await createImageBitmap(file);
  let scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
  for (let quality = 0.85; quality > 0.2; quality -= 0.15, scale *= 0.85) {
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    let data = await new Promise((done) => canvas.toBlob(done, "image/webp", quality));
    if (data?.type !== "image/webp") data = await new Promise((done) => canvas.toBlob(done, "image/jpeg", quality));
    if (data && data.size <= LIMIT_BYTES) return data;
  }
  return null;
}

async function send(file) {
  const wrong = document.getElementById("picture-wrong"), state = document.getElementById("picture-state");
  wrong.textContent = "";
  state.textContent = "The picture is being made small…";
  try {
    const data = await small(file).catch(() => null);
    if (data === null) throw new Error(`${file.name} is not a picture that this browser can read.`);
    state.textContent = "The picture is being sent…";
    const answer = await fetch(form.dataset.to, { method: "PUT", body: data, headers: { "X-CSRF-Token": await token(), Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.status === 403 ? "The session has ended: log in again." : "The server did not accept the picture.");
    show((await answer.json()).picture);
    state.textContent = "The picture is saved.";
  } catch (error) {
    state.textContent = "";
    wrong.textContent = error instanceof TypeError ? "The server does not answer. Try again." : error.message;
  }
}

// As in templates/beer.html. The page is not loaded again: a form on it can have typed text.
function show(address) {
  const hero = document.querySelector(".hero");
  const portrait = hero.querySelector(".portrait") ?? Object.assign(new Image(), { className: "portrait", alt: "" });
  portrait.src = address;
  hero.prepend(portrait);
  hero.classList.add("pictured");
  form.querySelector(".drop b").textContent = "Replace the picture";
  document.getElementById("picture-remove").hidden = false;
}

form.hidden = false;
onFile(document.getElementById("picture-file"), form.querySelector(".drop"), send);
