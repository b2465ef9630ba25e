// The first page's two questions. In the sentence, the long lists are searched by typing: the
// <select> stays in the form, out of sight, and is what the question reads; without a script it is
// what a reader uses. Enter in the line for own words asks the calculator that its words are for.
import { h } from "./calculator/dom.js";
import { SearchedList } from "./calculator/list.js";
import { chooseWords } from "./picture.js";

export function searchable(root) {
  root.querySelectorAll("form select[data-typed]").forEach(searched);
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
  const choose = (words) => {
    const option = [...select.options].find((one) => one.textContent === words);
    if (option?.selected) return show();
    if (option) option.selected = true;
    else chooseWords(select, words);
    show();
    select.dispatchEvent(new Event("input", { bubbles: true }));
  };
  // A number need not be in its list.
  const counts = options.every((option) => /^\d/.test(option.label));
  const isValue = (words) => counts && /^[\d.,\s]+[kKmM]?i?$/.test(words);
  const unlisted = (words) => `${isValue(words) ? "Use" : "Look up"} \u201c${words}\u201d`;
  const search = new SearchedList(input, () => options, choose, { unlisted, isValue });
  select.form.addEventListener("settled", () => search.isOpen() || show());

  input.addEventListener("input", (event) => {
    event.stopPropagation(); // what is typed is no answer yet
    search.open(input.value);
  });
  input.addEventListener("click", () => {
    if (search.isOpen()) return;
    input.select();
    search.open("");
  });
  input.addEventListener("keydown", (event) => search.pressed(event));
  input.addEventListener("blur", () => search.leave());
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the box keeps the focus
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", ({ target }) => {
    const option = target.closest("[data-option]");
    if (option) search.take(option.dataset.option);
  });
  show();
}

// By the words of a question; the first button of the form answers any other.
const ASKED_OF = [
  ["design", /\b(best|biggest|largest) (models?|llms?)\b|^\s*(gpus?|cards?|hardware) (for|to)\b|\b(what|which) (gpus?|cards?|hardware|models?|llms?|fits?|runs?|should|do|can)\b|\bcheapest\b|\bhow many (gpus?|cards?|nodes?|[a-z]+\d|(rtx ?)?\d0[5-9]0)|\btok(en)?s?\s*(\/|an?|per|every)\s*(hour|day|week|month|year)\b|\bover\s?night\b|\bby (tomorrow|morning)\b|\b(in|within) \d+ ?(h|hours?|days?)\b/i],
  ["calculate", /\bwhat (would|does|do|will|could)\b.*\b(buy|bring|give|gain|save|change)s?\b|\bwhat changes\b|\b(going|moving|upgrading|switching) from\b|\b[\d.,]+k? to [\d.,]+k?\b|\b(does|do|is|would|will|can)\b.*\b(help|worth|pay off|twice|half|(halv|doubl|tripl|reduc|improv)es?|increases?|(cut|lower|boost|hurt|matter)s?|(speed|slow)s? (up|down))\b/i],
  ["compare", /\b(or|vs|versus|against|than)\b(?!.{0,12}\bapi\b)|\bover context\b|\bcompared?\b/i],
  ["vram", /\bfits?\b|\broom\b|\bvram\b|\bmax\w*\s+concurrency\b|\bhow many users\b|^\s*users\b/i],
];

export function askedByEnter(form) {
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.target.name !== "ask") return;
    const [name] = ASKED_OF.find(([, words]) => words.test(event.target.value)) || [];
    const button = name && form.querySelector(`button[formaction$="/${name}"]`);
    if (!button) return;
    event.preventDefault();
    form.requestSubmit(button);
  });
}
