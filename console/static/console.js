// What makes pages livelier; each of them reads and steers without it, too.
import { labelCells } from "./cards.js";
import { startComparing } from "./compare.js";
import { offerCopies } from "./copying.js";
import { startLive } from "./live.js";
import { startPainting } from "./painter.js";
import { listenForKeys } from "./keys.js";
import { showLocalTimes } from "./times.js";

for (const element of document.querySelectorAll("[data-compare]")) startComparing(element);
const alive = document.querySelectorAll("[data-live]");
for (const element of alive) startLive(element.dataset.live);
// How all stands is alive on every page; who fills in a form there keeps it, whatever becomes of the session.
if (!alive.length && document.getElementById("standing")) startLive("/live/standing", { reloads: false });
for (const element of document.querySelectorAll("[data-painter]")) startPainting(element);
listenForKeys();
showLocalTimes();
labelCells();

const menu = document.querySelector("[data-menu]");
const open = (isOpen) => {
  menu.setAttribute("aria-expanded", String(isOpen));
  menu.parentElement.classList.toggle("open", isOpen);
};
menu?.addEventListener("click", () => open(menu.getAttribute("aria-expanded") === "false"));
menu?.addEventListener("keydown", (event) => { if (event.key === "Escape") open(false); });

// Undo is offered for as long as it can be done.
for (const undo of document.querySelectorAll("main form[data-undo]")) setTimeout(() => undo.remove(), Number(undo.dataset.undo) * 1000);

offerCopies(document);

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) {
    event.preventDefault();
    return;
  }
  // Once the form's data is taken, so that a second click sends nothing.
  setTimeout(() => form.querySelectorAll("button").forEach((button) => (button.disabled = true)));
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form button:disabled").forEach((button) => (button.disabled = false));
});

for (const drop of document.querySelectorAll("[data-drop]")) {
  const input = drop.querySelector("input[type=file]");
  const chosen = drop.querySelector("[data-chosen]");
  const tell = () => {
    const files = [...input.files];
    const size = files.reduce((sum, file) => sum + file.size, 0) / 1e6;
    chosen.textContent = files.length ? `${files.length === 1 ? files[0].name : `${files.length} files`}, ${size.toFixed(1)} MB` : "";
  };
  input.addEventListener("change", tell);
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    input.files = event.dataTransfer.files;
    tell();
  });
}
