"""What a page talks to: a session lives beside the kernel, and a host carries its messages."""

from collections.abc import Callable
from typing import Any, Protocol

Traits = dict[str, Any]


class Session(Protocol):
    """One calculator, exercise or guess in a page.

    A host is a notebook's widget or a worker of the page. It hands the session what the page
    changed and hands the page what changes in answer.
    """

    kind: str  # "calculator", "exercise" or "guess"

    def traits(self) -> Traits:
        """Give what the page needs to draw at first."""

    def set(self, changed: Traits) -> Traits:
        """Take the traits that the page set, and give those that change in answer."""

    def message(
        self, content: dict[str, Any], buffers: list[bytes], say: Callable[[dict[str, Any]], None]
    ) -> Traits:
        """Take a message of the page's own; `say` answers it. Give the traits that change."""
