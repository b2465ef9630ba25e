// What the pages of the book do beyond the theme's own script.
(() => {
  const acts = {
    print: () => print(),
    fullscreen: () => toggleFullScreen(), // the theme's
  };

  document.addEventListener("click", (event) => {
    acts[event.target.closest("[data-page-act]")?.dataset.pageAct]?.();
    const menu = event.target.closest(".dropdown-toggle");
    for (const button of document.querySelectorAll(".dropdown-toggle")) {
      unfold(button, button === menu && !button.classList.contains("show"));
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const button of document.querySelectorAll(".dropdown-toggle.show")) {
      unfold(button, false);
      button.focus();
    }
  });

  function unfold(button, open) {
    button.classList.toggle("show", open);
    button.setAttribute("aria-expanded", String(open));
  }

  // On paper nothing can be unfolded.
  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll(".bd-article details:not([open])")];
    for (const one of unfolded) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of unfolded) one.open = false;
  });

  // What scrolls must be in reach of the keyboard.
  function reach() {
    for (const box of document.querySelectorAll(".katex-display")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  }
  addEventListener("load", reach);
  addEventListener("resize", reach);

  document.querySelector(".bd-search-container input")?.focus();
})();
