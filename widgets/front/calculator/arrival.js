// What an address asks for beside the inputs: a way back, a box to paste in.

// A calculator that was opened from a text shows the way back to it, in the head of its page.
export function wayBack(site) {
  const from = /[#&]from=([^&]+)/.exec(location.hash);
  const link = document.querySelector(".lt-back");
  const target = from && decodeURIComponent(from[1]);
  // An address says anything: only a page of the book is led to.
  if (!link || !target || !/^[\w-]+\.html(#[\w-]+)?$/.test(target)) return;
  const page = target.split("#")[0];
  const named = document.querySelector(`.lt-top nav a[href$="/book/${page}"]`);
  link.href = `${site}/book/${target}`;
  link.textContent = `Back to ${named ? named.textContent : "the book"}`;
  link.hidden = false;
}

// A link may lead to the box where a config, a command or a log is pasted.
export function openPaste(root) {
  const box = /^#paste\b/.test(location.hash) && root?.querySelector(".lc-kind-text");
  if (!box || box.open) return;
  for (let one = box; one; one = one.parentElement.closest("details")) one.open = true;
  // It may not be in the page yet: what has no size takes no focus.
  new ResizeObserver(([{ contentRect }], watch) => {
    if (!contentRect.height) return;
    watch.disconnect();
    box.querySelector("textarea").focus();
  }).observe(box);
}
