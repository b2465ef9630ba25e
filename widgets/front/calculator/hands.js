// What a person's hands do: each event of the page becomes a change that is asked, or an act.
import { cameWhole, dropped, DROPS, sendChosen, wholeJson } from "./file.js";
import { fillTrack } from "./form.js";
import { SearchedList } from "./list.js";
import { closeMenus } from "./share.js";

const KINDS = {
  input: "moved",
  change: "changed",
  click: "clicked",
  keydown: "pressed",
  pointerdown: "grabbed",
  mousedown: "grabbed",
  focusout: "left",
  paste: "pasted",
  ...Object.fromEntries(DROPS.map((kind) => [kind, "dropped"])),
};

// `live` is the calculator: `change`, `remember`, `control`, and `acts` by the names of its buttons.
export class Hands {
  constructor(live, el) {
    this.live = live;
    this.busyInput = null; // what is being typed in or dragged
    this.moving = null; // the slider being dragged: one drag is one step of Undo
    this.search = null; // the searched list that has the focus
    for (const kind of Object.keys(KINDS)) el.addEventListener(kind, this);
  }

  handleEvent(event) {
    this[KINDS[event.type]](event);
  }

  moved(event) {
    const node = event.target;
    this.busyInput = node;
    if (node.role === "combobox") this.searching(node).open(node.value);
    // a paste is an event of its own
    const typed = node.nodeName === "TEXTAREA" && event.inputType !== "insertFromPaste";
    const isWhole = wholeJson(node.value) || (cameWhole(event) && node.value.trim());
    if (typed && isWhole) {
      // a text of several lines comes as several events, each with all of it
      if (node.taken !== node.value) this.used(node);
      node.taken = node.value;
    } else if (node.type === "range") this.dragged(node);
  }

  dragged(node) {
    fillTrack(node);
    const { stops, stop_texts: texts, stop_entries: entries } = this.live.control(node.name);
    node.setAttribute("aria-valuetext", texts[node.value]);
    node.parentNode.querySelector(".lc-entry input").value = entries[node.value];
    if (this.moving !== node) {
      this.moving = node;
      this.live.remember();
    }
    this.live.change(node.name, stops[node.value]);
  }

  changed({ target: node }) {
    if (node.role === "combobox" || node.nodeName === "TEXTAREA") return;
    if (node.type === "file") return sendChosen(this.live.model, node);
    this.busyInput = null;
    if (node.type === "range") {
      this.moving = null;
      return;
    }
    if (node.name === "ask" && !node.value.trim()) return;
    if (node.name === "ask") this.live.visit();
    this.live.remember();
    if (node.matches(".lc-entry input")) node.typed = node.value;
    this.live.change(node.name, node.type === "checkbox" ? node.checked : node.value);
  }

  clicked(event) {
    closeMenus(this.live.root, event);
    const node = event.target.closest("[data-act], [data-option], [role=combobox]");
    if (node?.dataset.act) node.ariaDisabled === "true" || this.live.acts[node.dataset.act]?.(node);
    else if (node?.dataset.option) this.search?.take(node.dataset.option);
    else if (node && !this.searching(node).isOpen()) {
      node.select();
      this.search.open("");
    }
  }

  pressed(event) {
    const node = event.target;
    closeMenus(this.live.root, event);
    if (!node.matches("input[type=text], textarea")) return this.stepped(event);
    if (node.role === "combobox") this.searching(node).pressed(event);
  }

  // A box of text has an Undo of its own.
  stepped(event) {
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || event.altKey || !"zy".includes(key)) return;
    event.preventDefault();
    event.stopPropagation();
    this.live.acts[key === "y" || event.shiftKey ? "redo" : "undo"]();
  }

  // The focus stays in the box while the list beside it is used.
  grabbed(event) {
    if (event.target.closest("[role=listbox]")) event.preventDefault();
  }

  left(event) {
    if (event.target.role !== "combobox") return;
    this.busyInput = null;
    this.searching(event.target).leave();
  }

  pasted({ target: node }) {
    if (node.nodeName === "TEXTAREA") setTimeout(() => this.used(node));
  }

  used(area) {
    this.live.acts[area.closest(".lc-file") ? "usetext" : "use"](area);
  }

  dropped(event) {
    dropped(this.live.root, event);
  }

  searching(node) {
    if (this.search?.input === node) return this.search;
    const choose = (value) => {
      this.busyInput = null;
      this.live.remember();
      this.live.change(node.name, value);
    };
    const options = () => this.live.control(node.name).options;
    this.search = new SearchedList(node, options, choose);
    return this.search;
  }
}
