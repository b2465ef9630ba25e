// The searched list: an editable combobox with a listbox, as the ARIA practices describe it.
import { h } from "./dom.js";

const NEAREST = 5; // names offered beside one that is in no list

// Blanks, "-", "_" and case are one spelling, and an organisation before a name is no part of it.
const spelt = (words) => words.toLowerCase().replace(/[\s_-]+/g, " ").trim();
const joined = (words) => spelt(words).replaceAll(" ", "");
const nameIn = (typed) => spelt(typed.trim().replace(/^[\w.-]+\//, ""));
const same = (words, option) =>
  [option.label, String(option.value)].some((one) => joined(one) === joined(words));

// The options that have all words typed, the likeliest first; else those that have most of them.
function matching(options, typed) {
  const name = nameIn(typed);
  const wanted = name.split(" ").filter(Boolean);
  const listed = options.map((option) =>
    ({ option, said: spelt(`${option.label} ${option.group || ""} ${option.value}`) }));
  const hits = ({ said }) => wanted.filter((word) => said.includes(word)).length;
  // What begins with whole words of it stands before what only begins so, and that before the
  // rest: "l4" is the L4 first, then the L40.
  const rank = ({ option, said }) => {
    if (same(name, option)) return -1;
    return said.startsWith(name) ? Number(/[a-z0-9.]/.test(said.charAt(name.length))) : 2;
  };
  const inOrder = (some, order) => some.toSorted((a, b) => order(a) - order(b)).map((one) => one.option);
  const whole = listed.filter((one) => hits(one) === wanted.length);
  const known = whole.length ? whole
    : listed.filter(({ said }) => joined(said).includes(joined(name)));
  if (known.length) return { known: inOrder(known, rank), near: [] };
  const some = listed.filter(hits);
  return { known: [], near: inOrder(some, (one) => -hits(one)).slice(0, NEAREST) };
}

const lookUp = (words) => `Look up \u201c${words}\u201d`;

// `options` gives the list. `choose` takes an option's value, or words that are no option's: these
// are the kernel's to judge. `unlisted` says what becomes of such words, `isValue` whether they may
// be right beside the list.
export class SearchedList {
  constructor(input, options, choose, { unlisted = lookUp, isValue = () => false } = {}) {
    Object.assign(this, { input, options, choose, unlisted, isValue });
    this.list = document.getElementById(input.getAttribute("aria-controls"));
    this.active = -1;
    this.taken = null; // what stands in the box since a choice was made
  }

  isOpen() {
    return !this.list.hidden;
  }

  open(words) {
    const { known, near } = matching(this.options(), words);
    const items = this.entries(words.trim(), known, near).map(([value, label, group], i) =>
      h("li", { id: `${this.list.id}-${i}`, role: "option", "aria-selected": "false",
        "data-option": value }, label, group ? h("span", {}, group) : null));
    this.list.replaceChildren(...items);
    this.list.hidden = !items.length;
    this.input.setAttribute("aria-expanded", String(items.length > 0));
    const current = known.findIndex((option) => option.label === this.input.dataset.value);
    this.active = -1;
    this.mark(words ? 0 : current);
  }

  // The kernel knows other spellings; a near name is offered, and never taken for the one typed.
  entries(own, known, near) {
    const found = [...known, ...near].map((option) =>
      [option.value, option.label, near.length ? "near it" : option.group]);
    const isOwn = own
      && (this.isValue(own) ? !known.some((one) => same(own, one)) : !known.length);
    return isOwn ? [[own, this.unlisted(own), ""], ...found] : found;
  }

  mark(i) {
    const items = [...this.list.children];
    items[this.active]?.setAttribute("aria-selected", "false");
    this.active = Math.max(0, Math.min(i, items.length - 1));
    const item = items[this.active];
    if (!item) return this.input.removeAttribute("aria-activedescendant");
    item.setAttribute("aria-selected", "true");
    item.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", item.id);
  }

  close() {
    this.list.hidden = true;
    this.active = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  take(value) {
    const option = this.options().find((one) => String(one.value) === value);
    if (option) this.input.value = option.label;
    this.taken = this.input.value;
    this.close();
    this.choose(value);
  }

  // What was typed and not chosen is no silence: it is the one that it names, or is looked up.
  leave() {
    this.close();
    const { input } = this;
    const words = input.value.trim();
    if (words && words !== input.dataset.value && input.value !== this.taken) {
      const { known } = matching(this.options(), words);
      const only = known.length === 1 && !this.isValue(words) && known[0];
      const meant = known.find((one) => same(nameIn(words), one)) || only;
      return this.take(meant ? String(meant.value) : words);
    }
    if (input.value !== this.taken) input.value = input.dataset.value;
    this.taken = null;
  }

  pressed(event) {
    const act = KEYS[event.key];
    if (!act || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act(this);
  }
}

const PAGE = 8; // options that a page of them moves by
const KEYS = {
  ArrowDown: (one) => (one.isOpen() ? one.mark(one.active + 1) : one.open("")),
  ArrowUp: (one) => (one.isOpen() ? one.mark(one.active - 1) : one.open("")),
  PageDown: (one) => one.isOpen() && one.mark(one.active + PAGE),
  PageUp: (one) => one.isOpen() && one.mark(one.active - PAGE),
  Enter: (one) => {
    const { input, list, active } = one;
    if (one.isOpen()) one.take(list.children[active].dataset.option);
    else if (input.value !== input.dataset.value) one.take(input.value);
  },
  Escape: (one) => {
    one.close();
    one.input.value = one.input.dataset.value;
    one.input.select();
  },
};
