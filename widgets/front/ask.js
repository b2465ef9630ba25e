// The long lists in the first page's question, searched by typing. The <select> stays in the form,
// out of sight, and is what the question reads; without a script it is what a reader uses.
import { h, searchedList } from "./calculator.js";

const LONG = 20; // entries; a shorter list is chosen from as it is

export function searchable(root) {
  for (const select of root.querySelectorAll("form select")) {
    if (select.options.length > LONG) searched(select);
  }
}

function searched(select) {
  const id = `ask-${select.name}`;
  const chosen = () => select.selectedOptions[0].textContent;
  const input = h("input", { type: "text", role: "combobox", autocomplete: "off",
    autocapitalize: "none", spellcheck: "false", "aria-label": select.ariaLabel,
    "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": id });
  const list = h("ul", { id, role: "listbox", "aria-label": select.ariaLabel, hidden: true });
  const box = h("span", { class: "lc-search" }, input, list);
  select.after(box);
  select.hidden = true;

  const options = [...select.options].map((option) => ({ value: option.textContent,
    label: option.textContent, group: option.parentNode.label || "" }));
  const show = () => {
    input.value = input.dataset.value = chosen();
    input.size = Math.max(input.value.length, 4);
  };
  const choose = (name) => {
    const option = [...select.options].find((one) => one.textContent === name);
    if (option && !option.selected) {
      option.selected = true;
      select.dispatchEvent(new Event("input", { bubbles: true }));
    }
    show();
  };
  const search = searchedList(input, () => options, choose);

  input.addEventListener("input", (event) => {
    event.stopPropagation(); // what is typed is no answer yet
    search.open(input.value);
  });
  input.addEventListener("click", () => {
    if (search.isOpen()) return;
    input.select();
    search.open("");
  });
  input.addEventListener("keydown", (event) => {
    const act = search.keys[event.key];
    if (!act || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act();
  });
  input.addEventListener("blur", () => {
    search.close();
    show();
  });
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the box keeps the focus
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", ({ target }) => {
    const option = target.closest("[data-option]");
    if (option) search.take(option.dataset.option);
  });
  show();
}
