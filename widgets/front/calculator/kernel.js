// What is asked of the kernel, one question at a time, and what to do when it does not answer.
import { h } from "./dom.js";

const ANSWER_WITHIN_MS = 20000; // a search in the page's own Python takes seconds
const SOON_MS = 350; // an answer that takes longer shows that it is being worked on
const LOOK_EVERY_MS = 3000; // whether the kernel is still there, while its answer is awaited

// While the kernel works, only the newest state is kept. An answer that takes too long may never
// come: its message was lost, or the kernel is another one now.
export class Asking {
  constructor(model, el, prefix) {
    Object.assign(this, { model, el });
    this.client = `${prefix}-${Date.now().toString(36)}`;
    this.sent = 0; // sequence number of the last state sent
    this.drawn = 0; // and of the last answer drawn
    this.waiting = null; // the newest state not yet sent
    this.asked = null; // the newest state sent
    this.inFlight = false;
    this.sentAt = 0;
    this.late = 0;
    this.busy = 0;
  }

  send(state) {
    this.waiting = state;
    if (this.inFlight && Date.now() - this.sentAt < ANSWER_WITHIN_MS) return;
    this.stop();
    this.inFlight = true;
    this.sentAt = Date.now();
    this.sent += 1;
    this.asked = this.waiting;
    this.waiting = null;
    this.model.set("state", { ...this.asked, seq: this.sent, client: this.client });
    this.model.save_changes();
    this.late = setTimeout(() => say(this.el, "The kernel does not answer."), ANSWER_WITHIN_MS);
    this.busy = setTimeout(() => this.showBusy(true), SOON_MS);
  }

  sendWaiting() {
    if (!this.inFlight && this.waiting) this.send(this.waiting);
  }

  // Whether a view is to be drawn: not one that is older than what stands.
  hear({ client, seq }) {
    const isMine = client === this.client;
    if (isMine && seq < this.drawn) return false;
    if (isMine) {
      this.drawn = seq;
      this.inFlight = this.drawn < this.sent;
    }
    clearTimeout(this.late);
    if (!this.inFlight) {
      clearTimeout(this.busy);
      this.showBusy(false);
    }
    say(this.el, "");
    return true;
  }

  unanswered() {
    const { asked, waiting, inFlight } = this;
    if (waiting?.values && inFlight) {
      return { ...asked, values: { ...asked.values, ...waiting.values } };
    }
    return waiting || (inFlight ? asked : null);
  }

  showBusy(isBusy) {
    this.el.querySelector(":scope > .lc").toggleAttribute("data-busy", isBusy);
  }

  stop() {
    clearTimeout(this.late);
    clearTimeout(this.busy);
  }
}

// ---- a kernel that is gone ------------------------------------------------------------
// On a page of the server the kernel may be gone: it took too much, or the page slept for long. The
// page then opens anew by itself with what was asked last, and gets another.

const BEGAN_ANEW = "llmcap:began-anew";
const TOOK_TOO_MUCH = "The file took more memory or time than there is for one page: split it.";

async function kernelIsGone() {
  const config = document.getElementById("jupyter-config-data");
  if (!config) return false;
  const { baseUrl, kernelId } = JSON.parse(config.textContent);
  const answer = await fetch(`${baseUrl}api/kernels/${kernelId}`).catch(() => null);
  return answer?.status === 404;
}

// The address of a view with what was asked of it and not answered.
export function askedAddress(view, asked) {
  if (asked?.query !== undefined) return asked.query;
  const changed = Object.entries(asked?.values || {});
  if (asked && !changed.length) return ""; // a reset
  const query = new URLSearchParams(view.query);
  const before = Object.fromEntries(view.controls.map((one) => [one.name, one.value]));
  for (const [name, value] of changed) {
    if (value === before[name]) continue;
    if (value === null) query.delete(name);
    else query.set(name, value);
  }
  return query.toString();
}

// Look now and then; gives back what stops it. `view` gives what stands.
export function watchKernel(asking, el, view) {
  const look = async (always) => {
    const reading = el.querySelector(".lc-file-said[aria-busy=true]");
    if (!(asking.inFlight || reading || always) || !(await kernelIsGone())) return;
    if (reading) sessionStorage.setItem(BEGAN_ANEW, TOOK_TOO_MUCH);
    const query = askedAddress(view(), asking.unanswered());
    location.replace(`${location.pathname}${query && "?"}${query}`);
  };
  const seen = () => document.visibilityState === "visible" && look(true);
  const looking = setInterval(look, LOOK_EVERY_MS);
  document.addEventListener("visibilitychange", seen); // a page that slept
  return () => {
    clearInterval(looking);
    document.removeEventListener("visibilitychange", seen);
  };
}

export function sayWhyAnew(el) {
  if (sessionStorage.getItem(BEGAN_ANEW)) say(el, sessionStorage.getItem(BEGAN_ANEW));
  sessionStorage.removeItem(BEGAN_ANEW);
}

// Words that a screen reader reads out, under the calculator; none takes them away.
function say(el, words) {
  let said = el.querySelector(":scope > .lc-late");
  if (!said && words) el.append((said = h("p", { class: "lc-late", role: "alert" })));
  if (!words) said?.remove();
  else if (said.textContent !== words) said.textContent = words;
}
