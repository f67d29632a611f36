// Replaces the parts of a page that changed, as the server renders them.
export function startLive(url) {
  const source = new EventSource(url);
  source.addEventListener("parts", (event) => {
    for (const [id, html] of Object.entries(JSON.parse(event.data))) {
      const place = document.getElementById(id);
      // What somebody is using right now stays as it is.
      if (!place || place.contains(document.activeElement)) continue;
      place.innerHTML = html;
    }
  });
  window.addEventListener("pagehide", () => source.close());
  window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });
}
