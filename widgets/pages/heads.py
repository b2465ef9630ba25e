"""What a page says of itself to a browser's tab, a search engine, and whoever shares its address.

Also a Sphinx extension (``_config.yml`` names it): its setting is ``site_address``, where the book
will stand. Without one, addresses are relative and there is no map of the site.
"""

import re
from html import escape, unescape
from pathlib import Path
from xml.sax.saxutils import escape as xml

from widgets import named, session

SITE = "llmcap"
CARD = "_static/card.png"
CARD_SIZE = (1200, 630)  # px, what those who show cards ask for
CARD_SAYS = "Llama 3.1 70B on two H100s: users, speed, first token and price, with intervals"
ICON = "_static/favicon.svg"
LONGEST = 180  # characters of a description
TAG = re.compile(r"<[^>]*>")
TITLE = re.compile(r'<title>.*?</title>(\s*<link rel="icon"[^>]*>)?', re.S)
TERM = re.compile(
    r'<a class="reference internal" href="(?P<to>[^"]*glossary\.html#term-[^"]+)">(?P<in>.*?)</a>',
    re.S,
)
SENTENCE = re.compile(r"(?<=[.?!])\s+")


def described(doctree):
    """Describe a page by its first sentences.

    Parameters
    ----------
    doctree : docutils.nodes.document
        The page.

    Returns
    -------
    str
        Whole sentences of its first paragraph, as many as a search engine shows.
    """
    first = next(_found(doctree, "paragraph"), None)
    return shortened(first.astext()) if first is not None else ""


def shortened(text):
    """Keep whole sentences, as many as a description holds.

    Parameters
    ----------
    text : str
        Plain text.

    Returns
    -------
    str
        The same or its beginning; the first sentence is always whole.

    Examples
    --------
    >>> shortened("One short sentence.  And a second.")
    'One short sentence. And a second.'
    """
    kept = ""
    for sentence in SENTENCE.split(" ".join(text.split())):
        if kept and len(kept) + len(sentence) > LONGEST:
            break
        kept = f"{kept} {sentence}".strip()
    return kept


def tags(title, description, page, root, address, picture=CARD, says=CARD_SAYS):
    """Write the tags of one page.

    Parameters
    ----------
    title, description : str
        What it is.
    page : str
        Its place in the site, such as "book/1-law.html".
    root : str
        The way from it to the site's first folder, such as "../".
    address : str
        Where the site will stand; "" where nobody knows.
    picture : str
        The place of what a preview shows.
    says : str
        What stands in it.

    Returns
    -------
    str
        HTML for its head.
    """
    at = f"{address.rstrip('/')}/" if address else root
    named = {"description": description, "twitter:card": "summary_large_image"}
    shared = {
        "og:site_name": SITE,
        "og:type": "article",
        "og:title": title,
        "og:description": description,
        "og:image": f"{at}{picture}",
        "og:image:width": str(CARD_SIZE[0]),
        "og:image:height": str(CARD_SIZE[1]),
        "og:image:alt": says,
    }
    links = [("icon", f"{root}{ICON}")]
    if address:
        shared["og:url"] = f"{at}{page}"
        links.append(("canonical", f"{at}{page}"))
    return "".join(
        [f'<meta name="{k}" content="{escape(v)}">\n' for k, v in named.items() if v]
        + [f'<meta property="{k}" content="{escape(v)}">\n' for k, v in shared.items() if v]
        + [f'<link rel="{kind}" href="{escape(to)}">\n' for kind, to in links]
    )


def with_answer(page, name, query, address):
    """Have a calculator's page say what was asked and what the answer is, for whoever shares it.

    Parameters
    ----------
    page : str
        Its HTML, with a title.
    name : str
        Of the calculator.
    query : str
        Its inputs as the address spells them; without any the page says what it is.
    address : str
        Where the site stands.

    Returns
    -------
    str
        The page, with another title and what previews read.
    """
    view = asked(name, query)
    if view is None:
        return page
    title, place = view["named"], f"apps/{name}?{view['query']}"
    said = shortened(named.description(view))
    drawn = (f"apps/{name}.png?{view['query']}", f"{title}. {view['status']['text']}")
    told = tags(title, said, place, "../", address, *(drawn if is_answered(view) else ()))
    return TITLE.sub(lambda _: f"<title>{escape(title)} - {SITE}</title>\n{told}", page, count=1)


def asked(name, query):
    """Answer a link, where its calculator takes a deployment.

    Parameters
    ----------
    name : str
        Of the calculator.
    query : str
        Its inputs as the address spells them.

    Returns
    -------
    dict or None
        The view; None where the calculator takes no deployment, or nothing is asked.
    """
    if not query or name not in session.CALCULATORS:
        return None
    names = session.CALCULATORS[name].FORM.by_name
    if not {"model", "tp"} <= {one.removeprefix(session.FIRST) for one in names}:
        return None
    return session.Calculator(name, query).view


def is_answered(view):
    """Tell whether a view has an answer to what was asked, and not to what it started with.

    Parameters
    ----------
    view : dict
        What a calculator's view function gave.

    Returns
    -------
    bool
        Whether it has numbers, and every input was read.
    """
    return bool(view["headline"]) and all(one["level"] != "error" for one in view["messages"])


def site_map(pages, address):
    """Write the map of the site.

    Parameters
    ----------
    pages : iterable of str
        Places of the pages.
    address : str
        Where the site stands.

    Returns
    -------
    str
        XML, as sitemaps.org has it.

    Examples
    --------
    >>> "<loc>https://a.test/b.html</loc>" in site_map(["b.html"], "https://a.test/")
    True
    """
    lines = "".join(f"<url><loc>{xml(address.rstrip('/'))}/{xml(p)}</loc></url>\n" for p in pages)
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{space}">\n{lines}</urlset>\n'


def llms_text(lead, pages):
    """Write the site's index for programs that read, as llmstxt.org has it.

    Parameters
    ----------
    lead : str
        What the site is.
    pages : mapping of str to tuple of str
        Title and description by place.

    Returns
    -------
    str
        Markdown.
    """
    lines = "".join(
        f"- [{title}]({place}){f': {said}' if said else ''}\n"
        for place, (title, said) in pages.items()
    )
    return f"# {SITE}\n\n> {lead}\n\n## Pages\n\n{lines}"


def with_definitions(body, definitions):
    """Give the first use of each term on a page its definition, for the pointer that rests on it.

    Parameters
    ----------
    body : str
        HTML of the page.
    definitions : mapping of str to str
        Definition by the term's anchor in the glossary.

    Returns
    -------
    str
        The same, with titles.
    """
    seen = set()

    def titled(found):
        anchor = found["to"].partition("#")[2]
        if anchor in seen or anchor not in definitions:
            return found[0]
        seen.add(anchor)
        title = escape(definitions[anchor])
        return found[0].replace("<a ", f'<a title="{title}" ', 1)

    return TERM.sub(titled, body)


def _found(node, kind):
    """The nodes of a kind within one; by name, since a server of a built book has no docutils."""
    return iter(node.findall(lambda one: one.tagname == kind))


def _definitions(app):
    """First sentences of the glossary's entries, by anchor."""
    found: dict[str, str] = {}
    for item in _found(app.env.get_doctree("book/glossary"), "definition_list_item"):
        said = shortened(item[-1].astext())
        for term in _found(item, "term"):
            found |= dict.fromkeys(term["ids"], said)
    return found


def _furnish(app, pagename, templatename, context, doctree):
    """Add a page's tags, and the definitions of its terms."""
    title = unescape(TAG.sub("", context.get("title", "")))
    calculator = session.CALCULATORS.get(pagename.removeprefix("apps/").removesuffix("/index"))
    said = described(doctree) if doctree else calculator.LEAD if calculator else ""
    page = f"{pagename}{app.builder.out_suffix}"
    root = "../" * pagename.count("/")
    context["metatags"] = context.get("metatags", "") + tags(
        title, said, page, root, app.config.site_address
    )
    if title and pagename not in ("genindex", "search"):
        app.env.llmcap_pages = getattr(app.env, "llmcap_pages", {}) | {page: (title, said)}
    if doctree and pagename != "book/glossary":
        if not hasattr(app, "llmcap_definitions"):
            app.llmcap_definitions = _definitions(app)
        context["body"] = with_definitions(context["body"], app.llmcap_definitions)


def _index(app, error):
    """Write what leads to the pages."""
    if error or app.builder.format != "html":
        return
    out, address = Path(app.outdir), app.config.site_address
    pages = dict(sorted(getattr(app.env, "llmcap_pages", {}).items()))
    lead = pages.get("book/intro.html", ("", ""))[1]
    (out / "llms.txt").write_text(llms_text(lead, pages), "utf-8")
    if address:
        (out / "sitemap.xml").write_text(site_map(pages, address), "utf-8")


def setup(app):
    """Register with Sphinx."""
    app.add_config_value("site_address", "", "html", str)
    app.connect("html-page-context", _furnish)
    app.connect("build-finished", _index)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
