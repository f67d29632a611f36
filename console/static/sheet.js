// The contact sheet: sizes, "before" while a key or a finger is held, choosing many photos, and more as one scrolls.
import { isTyping } from "./keys.js";

const HOLD_MS = 350;
const AHEAD = "1500px";
const MOST_IN_PLACE = 300;
const TOAST_MS = 10_000;
const form = document.querySelector("[data-sheet]");
const list = form.querySelector(".pairs");
const boxes = () => [...list.querySelectorAll("input[name=job]")];
const number = new Intl.NumberFormat("en-US");
const total = Number(form.dataset.total);
let isAll = false;
let last = null;

// Sizes.
const sizes = document.querySelector(".sizes");
const setSize = (size) => {
  list.className = `pairs ${size}`;
  for (const each of sizes.querySelectorAll("[data-size]")) each.setAttribute("aria-pressed", String(each.dataset.size === size));
  try { localStorage.setItem("sheet-size", size); } catch { /* It is only forgotten. */ }
};
sizes.hidden = false;
try { const kept = localStorage.getItem("sheet-size"); if (["small", "medium", "large"].includes(kept)) setSize(kept); } catch { /* As it is. */ }
sizes.addEventListener("click", (event) => { const size = event.target.closest("[data-size]"); if (size) setSize(size.dataset.size); });

// Before, while something is held.
const showBefore = (isOn) => list.classList.toggle("held-before", isOn);
let timer = 0;
let wasHeld = false;
const release = () => { clearTimeout(timer); showBefore(false); };
const holdButton = document.querySelector("[data-before]");
holdButton.addEventListener("pointerdown", () => showBefore(true));
list.addEventListener("pointerdown", (event) => {
  wasHeld = false;
  if (event.pointerType !== "mouse" && event.target.closest("label")) timer = setTimeout(() => { wasHeld = true; showBefore(true); }, HOLD_MS);
});
for (const name of ["pointerup", "pointercancel", "blur"]) window.addEventListener(name, release);
list.addEventListener("contextmenu", (event) => { if (wasHeld || timer) event.preventDefault(); });
document.addEventListener("scroll", () => clearTimeout(timer), { passive: true });

// Choosing.
list.addEventListener("click", (event) => {
  if (wasHeld) { event.preventDefault(); wasHeld = false; return; }
  // A click on a picture is one on its box as well, which comes after it.
  if (event.target.name !== "job") { isShift = event.shiftKey; return; }
  choose(event.target, event.shiftKey || isShift);
  isShift = false;
});
let isShift = false;
function choose(box, isRange) {
  const all = boxes();
  // By its number: a decision draws photos anew.
  const start = all.findIndex((each) => each.value === last);
  if (isRange && start >= 0) {
    const [from, to] = [start, all.indexOf(box)].sort((one, other) => one - other);
    for (const each of all.slice(from, to + 1)) each.checked = box.checked;
  }
  last = box.value;
  tell();
}
const counted = () => (isAll ? total - boxes().filter((box) => !box.checked).length : boxes().filter((box) => box.checked).length);
const [chosen, allButton, noneButton] = ["[data-chosen]", "[data-all]", "[data-none]"].map((each) => form.querySelector(each));
function tell() {
  if (!chosen) return;
  const count = counted();
  const bounds = form.dataset.bounds?.split(" ").map(Number);
  if (bounds) {
    const most = Math.max(count, Math.floor(bounds[count] * Number(form.dataset.population)));
    chosen.textContent = `${number.format(count)} bad: at most ${(bounds[count] * 100).toFixed(1)}% (${number.format(most)}) of all`;
  } else {
    chosen.textContent = count ? `${number.format(count)} chosen` : "Tick photos";
    for (const button of form.querySelectorAll("[formaction]")) button.disabled = !count;
    noneButton.hidden = !count;
    chosen.parentElement.classList.toggle("some", count > 0);
  }
}
const setAll = (isOn) => {
  isAll = isOn;
  for (const box of boxes()) box.checked = isOn;
  tell();
};
if (allButton) {
  allButton.hidden = false;
  allButton.addEventListener("click", () => setAll(true));
  noneButton.addEventListener("click", () => setAll(false));
}
tell();
window.addEventListener("pageshow", tell);

// One field for all that is chosen: a form may have a hundred.
form.addEventListener("formdata", (event) => {
  const data = event.formData;
  data.delete("job");
  if (isAll && !form.dataset.bounds) {
    data.set("all", "1");
    data.set("except", boxes().filter((box) => !box.checked).map((box) => box.value).join(","));
  } else data.set("jobs", boxes().filter((box) => box.checked).map((box) => box.value).join(","));
});

// Keys.
const columns = () => getComputedStyle(list).gridTemplateColumns.split(" ").length;
let hovered = null;
list.addEventListener("pointerover", (event) => { hovered = event.target.closest("li[data-id]"); });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (event.key === "b") { showBefore(true); return; }
  const focused = document.activeElement?.closest?.("li[data-id]");
  if (event.key === "x") {
    const box = (focused ?? hovered)?.querySelector("input[name=job]");
    if (box) { box.checked = !box.checked; choose(box, false); }
    return;
  }
  if (event.key === "u") { document.querySelector("[data-undo] button")?.click(); return; }
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns() }[event.key];
  if (!step || event.target.closest("[data-bar], .tools-row")) return;
  const all = boxes();
  const at = focused ? all.indexOf(focused.querySelector("input")) + step : 0;
  if (all[at]) { event.preventDefault(); all[at].focus(); all[at].closest("li").scrollIntoView({ block: "nearest" }); }
});
document.addEventListener("keyup", (event) => { if (event.key === "b") showBefore(false); });

// Undo is offered for as long as it can be done.
const offer = (undo) => setTimeout(() => undo.remove(), Number(undo.dataset.undo) * 1000);
for (const undo of document.querySelectorAll("[data-undo]")) offer(undo);

// A decision about a few of many photos leaves the page where it is: what it changed is drawn anew.
let toastTimer = 0;
const toast = document.querySelector("[data-toast]");
const parse = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");
async function decide(url, data, ids) {
  const answer = await fetch(url, { method: "POST", body: data, headers: { accept: "text/html" } });
  const page = await parse(answer);
  const said = page.querySelector(".said:not(form), [role=alert]");
  const undo = page.querySelector("[data-undo]");
  toast.replaceChildren(said ?? "", undo ?? "");
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { toast.hidden = true; }, TOAST_MS);
  if (undo) {
    offer(undo);
    undo.addEventListener("submit", (event) => { event.preventDefault(); act(undo, undo.action, new FormData(undo), ids); });
  }
  const query = new URLSearchParams({ show: "all", order: "came", ids: ids.join(",") });
  const anew = await parse(await fetch(form.dataset.again + query, { headers: { accept: "text/html" } }));
  for (const photo of anew.querySelectorAll("li[data-id]")) list.querySelector(`li[data-id="${photo.dataset.id}"]`)?.replaceWith(photo);
}
async function act(from, url, data, ids) {
  try { await decide(url, data, ids); } catch { toast.replaceChildren("The server is not answering. Reload the page before you go on."); toast.hidden = false; }
  for (const button of form.querySelectorAll("button")) button.disabled = false;
  tell();
}
form.addEventListener("submit", (event) => {
  const url = event.submitter?.formAction ?? "";
  const ids = boxes().filter((box) => box.checked).map((box) => box.value);
  if (isAll || !ids.length || ids.length > MOST_IN_PLACE || !/\/(accept|reject)$/.test(url)) return;
  event.preventDefault();
  act(form, url, new FormData(form), ids);
});

// Who scrolls past a thousand photos waits for those that are seen, and not for those that were.
const near = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    for (const image of target.querySelectorAll("img[data-src]")) {
      if (isIntersecting) image.src = image.dataset.src;
      else if (!image.complete) image.removeAttribute("src");
    }
  }
}, { rootMargin: "600px" });
function later(photo) {
  for (const image of photo.querySelectorAll("img")) { image.dataset.src = image.getAttribute("src"); image.removeAttribute("src"); }
  near.observe(photo);
}

// More, as one scrolls.
const next = form.querySelector("[data-next]");
if (next && form.dataset.more) {
  let url = form.dataset.more;
  let isLoading = false;
  const load = async () => {
    if (isLoading || !url) return;
    isLoading = true;
    try {
      const answer = await fetch(url, { headers: { accept: "text/html" } });
      if (!answer.ok || answer.redirected) return stop("Next photos");
      const from = await parse(answer);
      const following = from.querySelector("[data-following]");
      const photos = [...from.querySelectorAll("li[data-id]")];
      for (const photo of photos) { photo.querySelector("input").checked = isAll; later(photo); }
      list.append(...photos);
      url = following ? url.replace(/\?.*/, `?${following.dataset.following}`) : "";
      if (!url) stop("");
    } catch { stop("Next photos"); } finally { isLoading = false; }
    // Who scrolls fast is there again before anybody noticed that the end had moved; asked anew, the watcher tells.
    if (url) { watcher.unobserve(next); watcher.observe(next); }
  };
  const watcher = new IntersectionObserver((seen) => { if (seen.at(-1).isIntersecting) load(); }, { rootMargin: AHEAD });
  const stop = (text) => { watcher.disconnect(); next.textContent = text; next.hidden = !text; if (url) next.href = url.replace("/more?", "?"); };
  next.textContent = "Loading more as you scroll…";
  watcher.observe(next);
}
