// Before and after in one place: a slider, a blink, where it changed, and zoom.
import { isTyping } from "./keys.js";

const STEP = 1.25;
const MOST = 16;

export function startComparing(root) {
  const tools = root.querySelector(".tools");
  if (!tools) return;
  const [stage, sheet, slide] = [".stage", ".sheet", "[data-slide]"].map((each) => root.querySelector(each));
  const [blink, marksButton, level] = ["[data-blink]", "[data-marks]", "[data-zoom-level]"].map((each) => root.querySelector(each));
  const marks = root.querySelector(".marks");
  let [scale, x, y] = [1, 0, 0];

  root.classList.add("on");
  tools.hidden = false;
  root.querySelector(".split-line").hidden = false;

  const split = () => sheet.style.setProperty("--at", `${slide.value / 10}%`);
  const draw = () => {
    sheet.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    level.textContent = `${Math.round(scale * 100)}%`;
    root.classList.toggle("zoomed", scale > 1);
  };
  const zoom = (factor, atX = stage.clientWidth / 2, atY = stage.clientHeight / 2) => {
    const next = Math.min(MOST, Math.max(1, scale * factor));
    // The point under the pointer stays where it is.
    const left = sheet.offsetLeft - stage.offsetLeft;
    const top = sheet.offsetTop - stage.offsetTop;
    x = atX - left - ((atX - left - x) * next) / scale;
    y = atY - top - ((atY - top - y) * next) / scale;
    scale = next;
    if (scale === 1) [x, y] = [0, 0];
    draw();
  };
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
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && scale === 1 && event.deltaY > 0) return;
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    zoom(event.deltaY < 0 ? STEP : 1 / STEP, event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });

  stage.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    stage.focus({ preventScroll: true });
    stage.setPointerCapture(event.pointerId);
    const start = { pointerX: event.clientX, pointerY: event.clientY, x, y };
    const move = (to) => {
      if (scale > 1) {
        [x, y] = [start.x + to.clientX - start.pointerX, start.y + to.clientY - start.pointerY];
        draw();
      } else {
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

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const pan = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[event.key];
    if (event.key === "b") toggleBlink();
    else if (event.key === "c") toggleMarks();
    else if (event.target === stage && (event.key === "+" || event.key === "=")) zoom(STEP);
    else if (event.target === stage && event.key === "-") zoom(1 / STEP);
    else if (event.target === stage && event.key === "0") fit();
    else if (event.target === stage && pan && scale > 1) {
      [x, y] = [x + pan[0], y + pan[1]];
      draw();
      event.preventDefault();
    }
  });
  split();
  draw();
}
