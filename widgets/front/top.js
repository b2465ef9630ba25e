// The head of every page, in the book and above the apps: its menus close, its button changes the
// theme, and its search is a key away.
(() => {
  const { dataset } = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const system = () => (dark.matches ? "dark" : "light");
  const menus = () => document.querySelectorAll(".lt-top details[open]");

  function choose(mode) {
    dataset.mode = mode;
    dataset.theme = mode === "auto" ? system() : mode;
    try {
      localStorage.setItem("mode", mode);
      localStorage.setItem("theme", dataset.theme);
    } catch {} // a page that may keep nothing shows it all the same
  }

  // From the system's theme to the other one, then to the same one, then back.
  function next() {
    const order = dark.matches ? ["auto", "light", "dark"] : ["auto", "dark", "light"];
    choose(order[(order.indexOf(dataset.mode) + 1) % order.length]);
  }

  document.addEventListener("click", ({ target }) => {
    if (target.closest(".lt-theme")) next();
    for (const menu of menus()) if (!menu.contains(target)) menu.open = false;
  });
  // The theme's own key opens a search of its own, which these pages do not have.
  function search(event) {
    event.preventDefault();
    const box = document.querySelector(".lt-top input[name=q]");
    box.focus();
    box.select();
  }

  document.addEventListener("keydown", (event) => {
    const { key, ctrlKey, metaKey, altKey, shiftKey } = event;
    if (key.toLowerCase() === "k" && (ctrlKey || metaKey) && !altKey && !shiftKey) search(event);
    if (key !== "Escape") return;
    for (const menu of menus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  // After the theme's own script, which follows the system whatever was chosen since.
  dark.addEventListener("change", () => setTimeout(() => choose(dataset.mode)));
})();
