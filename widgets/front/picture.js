// Takes a picture over from the HTML that the kernel wrote, and asks for it anew when an input
// moves. What is drawn is the kernel's: nothing is computed here.
//
// An anywidget front-end module. The model's traits: `html`, the picture (drawn only where the
// page does not hold it already); `query`, the address that it opens on, where it has one; `asked`
// (page to kernel: the place of each input in its list, or the words typed there, and a sequence
// number that the answer echoes); `shown` (kernel to page).

const SLOW_MS = 400; // before a wait is worth showing
const SILENT_MS = 60_000; // after that long without an answer the next one is asked for anyway

// Words that are in no list stand in it as an option of their own: "=" before them, where the
// others have their place.
export function chooseWords(select, words) {
  const own = select.querySelector("[data-words]")
    || select.appendChild(Object.assign(document.createElement("option"), { hidden: true }));
  own.setAttribute("data-words", "");
  own.value = `=${words}`;
  own.textContent = words;
  own.selected = true;
}

function render({ model, el }) {
  const find = () => (el.matches(".lc-picture") ? el : el.querySelector(".lc-picture"));
  if (!find()) el.innerHTML = model.get("html");
  const root = find();
  const form = root.querySelector("form");
  const figure = root.querySelector(".lc-drawn");
  const stop = new AbortController();
  const on = (node, kind, act, more = {}) =>
    node.addEventListener(kind, act, { signal: stop.signal, ...more });
  let asked = 0; // the number of the question that is out, or 0
  let askedAt = 0;
  let last = 0;
  let isBehind = false;
  let slow = 0;

  // One question at a time: while the kernel draws, only the newest places are kept.
  function ask(query) {
    if (asked && Date.now() - askedAt < SILENT_MS) {
      isBehind = true;
      return;
    }
    isBehind = false;
    last += 1;
    asked = last;
    clearTimeout(slow);
    askedAt = Date.now();
    const given = [...new FormData(form)].map(([name, value]) =>
      [name, value.startsWith("=") ? value.slice(1) : +value]);
    const at = query ? {} : Object.fromEntries(given);
    slow = setTimeout(() => root.setAttribute("data-slow", ""), SLOW_MS);
    model.set("asked", { at, seq: asked, ...(query && { query }) });
    model.save_changes();
  }

  function take() {
    const shown = model.get("shown");
    if (!shown?.figure || shown.seq !== asked) return;
    asked = 0;
    clearTimeout(slow);
    root.removeAttribute("data-slow");
    figure.innerHTML = shown.figure;
    root.querySelector(".lc-said").innerHTML = shown.said;
    root.querySelector(".lc-numbers").innerHTML = shown.table;
    if (isBehind) return ask();
    if (shown.at) settle(shown);
  }

  // The words of a sentence as the kernel read them, and what it could not read.
  function settle({ at, refused }) {
    for (const [name, place] of Object.entries(at)) {
      const select = form.elements[name];
      if (typeof place === "number") select.value = place;
      else chooseWords(select, place);
    }
    const said = root.querySelector(".lf-refused");
    said.textContent = Object.values(refused).filter(Boolean).join(" ");
    said.hidden = !said.textContent;
    root.removeAttribute("data-pending");
    form.firstElementChild.disabled = false;
    form.dispatchEvent(new Event("settled"));
  }

  // A browser may keep what stood in the inputs over a reload, and not what they gave.
  function reread() {
    const isMoved = (one) => one.type === "range" ? one.value !== one.defaultValue
      : one.type === "radio" ? one.checked !== one.defaultChecked
        : one.options && !one.selectedOptions[0]?.defaultSelected;
    if (!last && [...form.elements].some(isMoved)) ask();
  }

  function write(input) {
    if (input.type !== "range") return;
    const words = JSON.parse(input.dataset.words)[input.value];
    input.setAttribute("aria-valuetext", words);
    input.nextElementSibling.textContent = words;
  }

  // ---- pulling on the picture itself ---------------------------------------------------

  // The value under the pointer, and the place of the nearest one that the input has.
  function pull(event) {
    const svg = figure.querySelector("svg[data-drag]");
    const input = form.elements[svg.dataset.drag];
    const [low, high, start, end, isLog] = svg.dataset.scale.split(" ").map(Number);
    const box = svg.getBoundingClientRect();
    const share = ((100 * (event.clientX - box.left)) / box.width - start) / (end - start);
    const place = (value) =>
      isLog ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
    const off = (value) => Math.abs(place(value) - share);
    const options = JSON.parse(input.dataset.options);
    const nearest = options.reduce((best, value, i) => (off(value) < off(options[best]) ? i : best), 0);
    if (+input.value === nearest) return;
    input.value = nearest;
    write(input);
    ask();
  }

  function press(event) {
    if (!event.isPrimary || event.button || !event.target.closest("svg[data-drag]")) return;
    event.preventDefault();
    const still = new AbortController();
    const end = () => still.abort();
    figure.setPointerCapture(event.pointerId);
    figure.addEventListener("pointermove", pull, { signal: still.signal });
    for (const kind of ["pointerup", "pointercancel"]) {
      figure.addEventListener(kind, end, { signal: still.signal });
    }
    pull(event);
  }

  if (form) {
    const query = model.get("query");
    form.firstElementChild.disabled = Boolean(query);
    for (const input of form.elements) write(input); // a browser keeps places over a reload
    on(form, "submit", (event) => event.preventDefault());
    on(form, "input", ({ target }) => {
      write(target);
      ask();
    });
    on(figure, "pointerdown", press);
    model.on("change:shown", take);
    on(window, "pageshow", reread);
    if (query) ask(query);
    else reread();
  }
  on(root, "click", ({ target }) => {
    const button = target.closest("[data-save]");
    if (button) save(root, button.dataset.save);
  });
  return () => {
    stop.abort();
    clearTimeout(slow);
    model.off?.("change:shown", take);
  };
}

// ---- the picture as a file -------------------------------------------------------------------

const GAP = 26; // pixels for a line of words

// All parts of the picture below each other in one SVG, under its title, in its colours of now.
function whole(root) {
  const parts = [...root.querySelectorAll(".lc-drawn svg.lc-drawing")];
  const width = Math.max(...parts.map((svg) => svg.clientWidth)) + 24;
  const style = getComputedStyle(root);
  const node = (tag, attributes, words = "") => {
    const made = document.createElementNS(parts[0].namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = words;
    return made;
  };
  const words = (y, size, weight, text) =>
    node("text", { x: 12, y, fill: style.color, "font-size": size, "font-weight": weight }, text);
  const sheet = node("svg", { width, "font-family": style.fontFamily });
  const title = root.querySelector(".lc-picture-title").textContent;
  sheet.append(
    node("rect", { width: "100%", height: "100%", fill: resolved(root, style.getPropertyValue("--lc-ground")) }),
    words(24, 15, 600, title),
  );
  let top = 12 + GAP;
  for (const svg of parts) {
    const caption = svg.parentNode.querySelector("figcaption")?.textContent;
    if (caption) {
      sheet.append(words(top + 14, 13, 600, caption));
      top += GAP;
    }
    const copy = asShown(svg);
    const place = { x: 12, y: top, width: svg.clientWidth, height: svg.clientHeight };
    for (const [name, value] of Object.entries(place)) copy.setAttribute(name, value);
    sheet.append(copy);
    top += svg.clientHeight + 12;
  }
  sheet.setAttribute("height", top);
  const text = new XMLSerializer().serializeToString(sheet);
  const plain = (_, name) => resolved(root, style.getPropertyValue(name));
  return { width, height: top, text: text.replace(/var\((--lc-[\w-]+),?[^)]*\)/g, plain) };
}

// A drawing with what the style sheet hides and moves at its width, for a file without one.
function asShown(svg) {
  const copy = svg.cloneNode(true);
  const groups = copy.querySelectorAll("g");
  svg.querySelectorAll("g").forEach((one, i) => {
    const { display, transform } = getComputedStyle(one);
    groups[i].setAttribute("display", display);
    if (transform !== "none") groups[i].setAttribute("transform", transform);
  });
  return copy;
}

// A colour that depends on the theme, as the one that it is now.
function resolved(root, value) {
  const probe = root.appendChild(document.createElement("i"));
  probe.style.color = value;
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

async function save(root, kind) {
  const { width, height, text } = whole(root);
  const svg = new Blob([text], { type: "image/svg+xml" });
  const blob = kind === "svg" ? svg : await pixels(svg, width, height);
  const link = Object.assign(document.createElement("a"), {
    href: URL.createObjectURL(blob),
    download: `${root.dataset.name}.${kind}`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function pixels(svg, width, height) {
  const image = new Image();
  image.src = URL.createObjectURL(svg);
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: 2 * width, height: 2 * height });
  canvas.getContext("2d").drawImage(image, 0, 0, 2 * width, 2 * height);
  URL.revokeObjectURL(image.src);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

export default { render };
