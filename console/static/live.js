// Replaces the parts of a page that changed, as the server renders them.
import { labelCells } from "./cards.js";
import { startComparing } from "./compare.js";
import { offerCopies } from "./copying.js";
import { showLocalTimes } from "./times.js";

const OLD_SECONDS = 3;

export function startLive(url, { reloads = true } = {}) {
  let source = null;
  let oldSince = 0;

  const open = () => {
    source = new EventSource(url);
    source.addEventListener("open", () => tellOld(false));
    source.addEventListener("parts", (event) => {
      tellOld(false);
      for (const [id, html] of Object.entries(JSON.parse(event.data))) {
        const place = document.getElementById(id);
        // What somebody is using right now stays as it is.
        if (!place || place.contains(document.activeElement)) continue;
        place.innerHTML = html;
        showLocalTimes(place);
        labelCells(place);
        offerCopies(place);
        for (const element of place.querySelectorAll("[data-compare]")) startComparing(element);
      }
    });
    source.addEventListener("shut-out", () => { close(); if (reloads) window.location.reload(); });
    source.addEventListener("error", () => {
      oldSince ||= setTimeout(() => tellOld(true), OLD_SECONDS * 1000);
      // A server that comes back may refuse at first; browsers then give up for good.
      if (source?.readyState === EventSource.CLOSED) { close(); setTimeout(() => document.hidden || source || open(), OLD_SECONDS * 1000); }
    });
  };
  const close = () => { source?.close(); source = null; };
  const tellOld = (isOld) => {
    if (!isOld) { clearTimeout(oldSince); oldSince = 0; }
    document.querySelector("[data-old]").hidden = !isOld;
  };

  // A browser has six connections to a server; pages that nobody sees would take them from those that somebody does.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else if (!source) open();
  });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });
  if (!document.hidden) open();
}
