// The calculators run on the book's server. A copy of the book without one says so, and none of
// its links leads to a page that is not there.
(() => {
  const health = new URL("../healthz", document.currentScript.src).href;
  const reason = "needs the book's server: make serve";

  async function isServed() {
    try {
      return (await fetch(health, { cache: "no-store" })).ok;
    } catch {
      return false; // a page opened from the disk may not ask anybody
    }
  }

  function refuse(event) {
    event.preventDefault();
    if (event.currentTarget.nextElementSibling?.matches(".llmcap-reason")) return;
    const note = Object.assign(document.createElement("small"), { textContent: ` (${reason})` });
    note.className = "llmcap-reason";
    note.setAttribute("role", "status");
    event.currentTarget.after(note);
  }

  async function tell() {
    const links = document.querySelectorAll('a[href*="/apps/"]');
    if (!links.length || (await isServed())) return;
    for (const link of links) {
      link.setAttribute("aria-disabled", "true");
      link.title = reason;
      link.addEventListener("click", refuse);
    }
    for (const note of document.querySelectorAll("[data-llmcap-offline]")) note.hidden = false;
  }

  addEventListener("load", tell);
})();
