"""Pages for the tests of a front end: what goes wrong in one fails the test that opened it."""

from contextlib import contextmanager

from widgets.question_host import FRONT


class Pages:
    """Contexts of a browser at one address, with a session behind `ask`."""

    def __init__(self, browser, site):
        self.browser, self.site, self.contexts, self.faults = browser, site, [], []

    def context(self, html, ask, *, width=1280, scheme="light", scripted=True):
        """A context in which the address is a document, and `ask` what its page may call."""
        context = self.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=scripted,
            accept_downloads=True,
        )
        self.contexts.append(context)
        context.route(f"{self.site}/*", lambda route: self._answer(route, html))
        context.expose_function("ask", ask)
        return context

    def _answer(self, route, html):
        name = route.request.url.removeprefix(f"{self.site}/")
        if (FRONT / name).is_file():
            kind = "text/css" if name.endswith("css") else "text/javascript"
            route.fulfill(body=(FRONT / name).read_text(), content_type=kind)
        else:
            route.fulfill(body=html, content_type="text/html")

    def page(self, context, scripted=True):
        """A page at the address, once its scripts have run."""
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.goto(f"{self.site}/", wait_until="load")
        if scripted:
            page.wait_for_selector("body[data-ready]", state="attached")
        return page


@contextmanager
def pages(browser, site):
    """Pages, closed at the end; none of them may have had a fault."""
    opened = Pages(browser, site)
    yield opened
    for context in opened.contexts:
        context.close()
    assert not opened.faults, opened.faults
