// One key for each thing on a page that names one in data-key.
export function listenForKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isTyping(event.target)) return event.target.blur();
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.key === "/") {
      event.preventDefault();
      document.querySelector("[data-search]")?.focus();
      return;
    }
    if (event.key === "?") {
      const keys = document.querySelector("[data-keys]");
      if (keys) { keys.open = !keys.open; keys.scrollIntoView({ block: "nearest" }); }
      return;
    }
    // What has the focus may need the arrows for itself.
    if (event.defaultPrevented || (event.key.startsWith("Arrow") && event.target.tagName === "INPUT")) return;
    const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!target) return;
    event.preventDefault();
    const reject = target.closest("[data-reject]");
    // A reason comes first; Enter sends it.
    if (reject) reject.querySelector("input[name=reason]").focus();
    else target.click();
  });
}

export function isTyping(element) {
  return element instanceof HTMLElement && (element.isContentEditable || ["TEXTAREA", "SELECT"].includes(element.tagName) || (element.tagName === "INPUT" && !["range", "checkbox", "radio"].includes(element.type)));
}
