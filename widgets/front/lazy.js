// What nobody scrolls to is neither loaded nor drawn.

// Call `act` once, as soon as `node` is in the window or less than `margin` pixels from it.
export function whenNear(node, act, margin = 400) {
  const watch = new IntersectionObserver(
    (seen) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      watch.disconnect();
      act();
    },
    { rootMargin: `${margin}px` },
  );
  watch.observe(node);
}
