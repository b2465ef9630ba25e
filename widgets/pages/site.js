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

  // ---- the mark beside a heading copies the address of its place -----------------------------

  const told = document.body.appendChild(document.createElement("p"));
  told.className = "lt-told";
  told.setAttribute("role", "status");
  let gone = 0;

  function tell(words, near) {
    const box = near.getBoundingClientRect();
    told.textContent = words;
    told.style.top = `${box.bottom + scrollY + 4}px`;
    told.style.left = `${Math.max(8, Math.min(box.left, innerWidth - 190))}px`;
    clearTimeout(gone);
    gone = setTimeout(() => { told.textContent = ""; }, 2500);
  }

  document.addEventListener("click", async (event) => {
    const link = event.target.closest(".headerlink");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.replaceState(null, "", link.href);
    try {
      await navigator.clipboard.writeText(link.href);
      tell("Anchor copied", link);
    } catch {
      tell("The address above is this place's", link); // not every page may write to the clipboard
    }
  });

  // ---- long tables are filtered and sorted ----------------------------------------------------

  const LONG = 20; // rows

  function amount(text) {
    const found = text.replaceAll(",", "").match(/^\s*\$?(-?\d+(?:\.\d+)?)\s*([kMGBTP]?)/);
    const power = { k: 3, M: 6, G: 9, B: 9, T: 12, P: 15 };
    return found ? found[1] * 10 ** (power[found[2]] ?? 0) : null;
  }

  function sorted(rows, column, isDown) {
    const of = (row) => row.cells[column].textContent.trim();
    const way = isDown ? -1 : 1;
    return [...rows].sort((a, b) => {
      const [x, y] = [amount(of(a)), amount(of(b))];
      if (x !== null && y !== null) return way * (x - y);
      return way * of(a).localeCompare(of(b), "en", { numeric: true });
    });
  }

  function handle(table) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const name = table.closest("section")?.querySelector("h2")?.firstChild?.textContent ?? "table";
    const line = document.createElement("p");
    line.className = "lt-filter";
    const label = line.appendChild(document.createElement("label"));
    const input = document.createElement("input");
    Object.assign(input, { type: "search", placeholder: rows[0].cells[0].textContent.trim() });
    label.append(`Filter ${name.toLowerCase()} `, input);
    const count = line.appendChild(document.createElement("span"));
    count.setAttribute("role", "status");
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
      count.textContent = input.value.trim() ? `${rows.filter((row) => !row.hidden).length} of ${rows.length}` : "";
    });
    (table.closest(".pst-scrollable-table-container") ?? table).before(line);
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const isDown = head.getAttribute("aria-sort") === "ascending";
        for (const one of table.tHead.rows[0].cells) one.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
        body.append(...sorted(rows, column, isDown));
      });
    });
  }

  for (const table of document.querySelectorAll(".bd-article table")) {
    if (table.tBodies[0]?.rows.length >= LONG && table.tHead && !table.closest(".lc")) handle(table);
  }
})();
