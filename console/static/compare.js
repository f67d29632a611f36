// Before and after in one place: a slider, a blink, where it changed, and zoom.
import { isTyping } from "./keys.js";

const STEP = 1.25;
const MOST = 16;

export function startComparing(root) {
  const tools = root.querySelector(".tools");
  if (!tools) return;
  const [stage, twin, slide] = [".stage", ".twin", "[data-slide]"].map((each) => root.querySelector(each));
  const sheets = [...root.querySelectorAll(".sheet")];
  const sheet = sheets.at(-1);
  const [blink, marksButton, level] = ["[data-blink]", "[data-marks]", "[data-zoom-level]"].map((each) => root.querySelector(each));
  const marks = root.querySelector(".marks");
  let [scale, x, y] = [1, 0, 0];

  root.classList.add("on");
  tools.hidden = false;
  root.querySelector(".split-line").hidden = false;

  const split = () => sheet.style.setProperty("--at", `${slide.value / 10}%`);
  // At which scale a pixel of the photo is one of the screen, which may have several for each of a page's.
  const pixels = () => Number(root.dataset.long) / window.devicePixelRatio / Math.max(sheet.offsetWidth, sheet.offsetHeight, 1) || 1;
  const onPixel = (length) => Math.round(length * window.devicePixelRatio) / window.devicePixelRatio;
  const draw = () => {
    for (const each of sheets) each.style.transform = `translate(${onPixel(x)}px, ${onPixel(y)}px) scale(${scale})`;
    level.textContent = `${Math.round((scale / pixels()) * 100)}%`;
    root.classList.toggle("zoomed", scale !== 1);
  };
  const zoomTo = (wanted, cell = sheet.parentElement, atX = cell.clientWidth / 2, atY = cell.clientHeight / 2) => {
    const next = Math.min(Math.max(MOST, pixels()), Math.max(Math.min(1, pixels()), wanted));
    // The point under the pointer stays where it is.
    const left = cell.querySelector(".sheet").offsetLeft - cell.offsetLeft;
    const top = cell.querySelector(".sheet").offsetTop - cell.offsetTop;
    x = atX - left - ((atX - left - x) * next) / scale;
    y = atY - top - ((atY - top - y) * next) / scale;
    scale = next;
    if (scale === 1) [x, y] = [0, 0];
    if (scale > 1) loadFull();
    draw();
  };
  const zoom = (factor, ...at) => zoomTo(scale * factor, ...at);
  const zoomToPixels = () => { loadFull(); zoomTo(pixels()); };
  // Pictures of all pixels take the place of the smaller ones, in the very same size on the page.
  let isFull = false;
  const loadFull = () => {
    if (isFull) return;
    isFull = true;
    for (const image of root.querySelectorAll("img[data-full]")) {
      const full = new Image();
      full.addEventListener("load", () => {
        if (image.offsetWidth) [image.style.width, image.style.height] = [`${image.offsetWidth}px`, `${image.offsetHeight}px`];
        image.src = full.src;
      });
      full.src = image.dataset.full;
    }
  };
  window.addEventListener("resize", () => {
    for (const image of root.querySelectorAll("img[data-full]")) [image.style.width, image.style.height] = ["", ""];
    fit();
  });
  const fit = () => { [scale, x, y] = [1, 0, 0]; draw(); };
  const toggle = (button, on = button.getAttribute("aria-pressed") !== "true") => {
    button.setAttribute("aria-pressed", String(on));
    return on;
  };
  const toggleBlink = () => root.classList.toggle("blinking", toggle(blink));
  const toggleMarks = () => {
    if (!marks.src) marks.src = marks.dataset.src;
    marks.hidden = !toggle(marksButton);
  };

  const besideButton = root.querySelector("[data-beside]");
  const toggleBeside = () => {
    const isOn = toggle(besideButton);
    const picture = twin.querySelector("img");
    if (!picture.src) picture.src = root.querySelector(".before").src;
    twin.hidden = !isOn;
    root.classList.toggle("beside", isOn);
    fit();
  };
  besideButton.addEventListener("click", toggleBeside);

  for (const button of root.querySelectorAll("[data-show]")) {
    const layer = root.querySelector(`[data-layer=${button.dataset.show}]`);
    button.addEventListener("click", () => layer.toggleAttribute("hidden", !toggle(button)));
  }
  slide.addEventListener("input", split);
  blink.addEventListener("click", toggleBlink);
  marksButton.addEventListener("click", toggleMarks);
  root.querySelector("[data-zoom=in]").addEventListener("click", () => zoom(STEP));
  root.querySelector("[data-zoom=out]").addEventListener("click", () => zoom(1 / STEP));
  root.querySelector("[data-zoom=fit]").addEventListener("click", fit);
  root.querySelector("[data-zoom=pixels]").addEventListener("click", zoomToPixels);
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && scale === 1 && event.deltaY > 0) return;
    event.preventDefault();
    const cell = event.target.closest(".cell") ?? sheet.parentElement;
    const box = cell.getBoundingClientRect();
    zoom(event.deltaY < 0 ? STEP : 1 / STEP, cell, event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });

  stage.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    stage.focus({ preventScroll: true });
    stage.setPointerCapture(event.pointerId);
    const start = { pointerX: event.clientX, pointerY: event.clientY, x, y };
    const move = (to) => {
      if (scale !== 1) {
        [x, y] = [start.x + to.clientX - start.pointerX, start.y + to.clientY - start.pointerY];
        draw();
      } else if (!root.classList.contains("beside")) {
        const box = sheet.getBoundingClientRect();
        slide.value = Math.round(Math.min(1, Math.max(0, (to.clientX - box.left) / box.width)) * 1000);
        split();
      }
    };
    move(event);
    const ended = new AbortController();
    stage.addEventListener("pointermove", move, { signal: ended.signal });
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, () => ended.abort(), { signal: ended.signal });
  });

  const heard = new AbortController();
  document.addEventListener("keydown", (event) => {
    if (!root.isConnected) return heard.abort();
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const pan = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[event.key];
    if (event.key === "b") toggleBlink();
    else if (event.key === "c") toggleMarks();
    else if (event.key === "s") toggleBeside();
    else if (event.key === "1") zoomToPixels();
    else if (event.key === "0") fit();
    else if (event.target === stage && (event.key === "+" || event.key === "=")) zoom(STEP);
    else if (event.target === stage && event.key === "-") zoom(1 / STEP);
    else if (event.target === stage && pan && scale !== 1) {
      [x, y] = [x + pan[0], y + pan[1]];
      draw();
      event.preventDefault();
    }
  }, { signal: heard.signal });
  // How large it is on the page is known once it is there.
  for (const image of sheet.querySelectorAll("img")) image.addEventListener("load", draw);
  split();
  draw();
}
