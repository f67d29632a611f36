// Shows moments in the zone of whoever looks; UTC stays in the title, and in the text where no script runs.
const two = (part) => String(part).padStart(2, "0");

export function showLocalTimes(root = document) {
  for (const time of root.querySelectorAll("time[data-local]")) {
    const at = new Date(time.dateTime);
    time.textContent = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(at)}:${two(at.getSeconds())}`;
  }
  for (const label of root.querySelectorAll("[data-clock]")) label.textContent = clock(new Date(label.dataset.clock));
  for (const zone of root.querySelectorAll("[data-zone]")) {
    zone.textContent = `times in ${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
  }
}

const clock = (at) => `${two(at.getHours())}:${two(at.getMinutes())}`;
