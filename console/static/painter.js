// Painting a mask over a photo, as run lengths: "WIDTHxHEIGHT: start length …", along rows, from pixel 0.
import { isTyping } from "./keys.js";

const COLOUR = "#e6007a";
const MOST_UNDO = 12;

export function startPainting(root) {
  const canvas = root.querySelector("canvas");
  const number = new Intl.NumberFormat("en-US");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const size = root.querySelector("[data-brush]");
  const area = document.querySelector("[data-area]");
  const field = document.querySelector("[data-mask]");
  const { width, height } = canvas;
  const before = [];
  let tool = "brush";

  root.querySelector(".tools").hidden = false;
  const choose = (name) => {
    tool = name;
    for (const button of root.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === name));
  };
  const remember = () => {
    before.push(context.getImageData(0, 0, width, height));
    if (before.length > MOST_UNDO) before.shift();
  };
  const tell = () => {
    const { runs, pixels } = runsOf(context.getImageData(0, 0, width, height).data);
    field.value = pixels ? `${width}x${height}: ${runs.join(" ")}` : "";
    tellArea(runs, pixels);
  };
  const tellArea = (runs, pixels) => {
    area.textContent = pixels
      ? `${number.format(pixels)} pixels in ${number.format(runs.length / 2)} runs: ${((100 * pixels) / (width * height)).toFixed(2)}% of the photo.`
      : "Nothing painted yet.";
  };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height];
  };

  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    remember();
    const kept = before.at(-1);
    const [startX, startY] = place(event);
    let [lastX, lastY] = [startX, startY];
    const draw = (to) => {
      const [x, y] = place(to);
      context.globalCompositeOperation = tool === "eraser" ? "destination-out" : "source-over";
      context.fillStyle = context.strokeStyle = COLOUR;
      if (tool === "box") {
        context.putImageData(kept, 0, 0);
        context.fillRect(Math.floor(Math.min(x, startX)), Math.floor(Math.min(y, startY)), Math.ceil(Math.abs(x - startX)), Math.ceil(Math.abs(y - startY)));
      } else {
        const scale = width / canvas.getBoundingClientRect().width;
        context.lineWidth = size.value * scale;
        context.lineCap = context.lineJoin = "round";
        context.beginPath();
        context.moveTo(lastX, lastY);
        context.lineTo(x + 0.01, y);
        context.stroke();
        [lastX, lastY] = [x, y];
      }
    };
    draw(event);
    const ended = new AbortController();
    const end = () => { ended.abort(); tell(); };
    canvas.addEventListener("pointermove", draw, { signal: ended.signal });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, end, { signal: ended.signal });
  });

  // What was written, or kept by the browser when it went back to this page, is shown as if it were painted.
  const drawWritten = () => {
    const [size, ...numbers] = field.value.trim().split(/\s+/);
    const runs = numbers.map(Number);
    const fits = size === `${width}x${height}:` && runs.length && runs.length % 2 === 0 && runs.every(Number.isInteger);
    if (!fits) {
      area.textContent = field.value.trim() ? "The server will read the mask typed here." : "Nothing painted yet.";
      return;
    }
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, width, height);
    context.fillStyle = COLOUR;
    for (let each = 0; each < runs.length; each += 2) {
      for (let at = runs[each], end = at + runs[each + 1]; at < end;) {
        const length = Math.min(end - at, width - (at % width));
        context.fillRect(at % width, Math.floor(at / width), length, 1);
        at += length;
      }
    }
    tellArea(runs, runs.reduce((sum, length, place) => sum + (place % 2 ? length : 0), 0));
  };
  field.addEventListener("change", drawWritten);
  if (field.value) drawWritten();

  const undo = () => {
    const kept = before.pop();
    if (kept) context.putImageData(kept, 0, 0);
    tell();
  };
  for (const button of root.querySelectorAll("[data-tool]")) button.addEventListener("click", () => choose(button.dataset.tool));
  root.querySelector("[data-undo]").addEventListener("click", undo);
  root.querySelector("[data-clear]").addEventListener("click", () => {
    remember();
    context.clearRect(0, 0, width, height);
    tell();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const name = { b: "brush", x: "box", e: "eraser" }[event.key];
    if (name) choose(name);
    else if (event.key === "u") undo();
  });
}

// Half-covered pixels at a brush's edge count, so that nothing of what was painted over stays.
export function runsOf(rgba) {
  const runs = [];
  let pixels = 0;
  let start = -1;
  for (let pixel = 0; pixel <= rgba.length / 4; pixel += 1) {
    const painted = pixel < rgba.length / 4 && rgba[pixel * 4 + 3] > 0;
    if (painted && start < 0) start = pixel;
    else if (!painted && start >= 0) {
      runs.push(start, pixel - start);
      pixels += pixel - start;
      start = -1;
    }
  }
  return { runs, pixels };
}
