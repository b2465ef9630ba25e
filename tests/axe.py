"""What axe, the checker of accessibility, finds in a page."""

# Contrast is of ink, letters and the grounds under them, and takes axe nine tenths of its time: it
# looks at three texts of each look, since it cannot tell where one lies under another.
SOME_OF_EACH_LOOK = """(within) => {
  const seen = new Map();
  for (const node of document.querySelectorAll("[data-seen]")) node.removeAttribute("data-seen");
  const grounds = (node) => {
    if (!node) return "";
    const { backgroundColor, backgroundImage, opacity } = getComputedStyle(node);
    const own = [backgroundColor, backgroundImage, opacity].join();
    const sheer = own === "rgba(0, 0, 0, 0),none,1";
    return (sheer ? "" : own) + grounds(node.parentElement);
  };
  for (const node of document.querySelectorAll(`${within} *`)) {
    const hasText = [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    const { width } = node.getBoundingClientRect();
    if (!hasText || width < 2 || node.closest("math, [aria-hidden=true]")) continue;
    const { color, fontSize, fontWeight, textShadow } = getComputedStyle(node);
    const look = [node.nodeName, color, fontSize, fontWeight, textShadow, grounds(node)].join();
    seen.set(look, (seen.get(look) || 0) + 1);
    if (seen.get(look) <= 3) node.setAttribute("data-seen", "");
  }
  return seen.size;
}"""


def structure(page, within: str = "html", **options) -> list[dict]:
    """What breaks a rule, contrast left out."""
    rules = {"color-contrast": {"enabled": False}, **options.pop("rules", {})}
    return _violations(page, within, rules=rules, **options)


def contrast(page, within: str = "html") -> list[dict]:
    """What is hard to read on its ground."""
    assert page.evaluate(SOME_OF_EACH_LOOK, within), "no text to look at"
    return _violations(page, "[data-seen]", runOnly=["color-contrast"])


def _violations(page, within, **options):
    from axe_playwright_python.sync_playwright import Axe

    # "preload" would have axe itself fetch style sheets, from wrong addresses.
    # Without the list of what is right it takes a fraction of the time.
    options = {"preload": False, "resultTypes": ["violations"], **options}
    return Axe().run(page, {"include": [[within]]}, options).response["violations"]
