"""A bar on the terminal for what takes seconds."""

import sys
from time import monotonic

PATIENCE_S = 0.5  # before anything is drawn: what is quick draws nothing
WIDTH = 24


class Bar:
    """Progress on the standard error, where that is a terminal; erased in the end.

    Parameters
    ----------
    doing : str
        What takes its time, in a word.

    Examples
    --------
    >>> with Bar("searching") as bar:
    ...     bar.count(3, 4)
    True
    """

    def __init__(self, doing: str) -> None:
        self.doing, self.begun_s, self.drawn, self.at = doing, monotonic(), "", ""

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *problem: object) -> None:
        if self.drawn:
            print("\r" + " " * len(self.drawn) + "\r", end="", file=sys.stderr, flush=True)

    def share(self, share: float, of: str = "") -> bool:
        """Draw how much is done.

        Parameters
        ----------
        share : float
            The part that is done, 0 to 1.
        of : str
            Words behind it.

        Returns
        -------
        bool
            True: go on.
        """
        if sys.stderr.isatty() and monotonic() - self.begun_s > PATIENCE_S:
            full = round(share * WIDTH)
            at = f"{self.doing} [{'#' * full}{'.' * (WIDTH - full)}] {share:4.0%}"
            if at != self.at:
                self.at, drawn = at, f"{at}{of}"
                print("\r" + drawn.ljust(len(self.drawn)), end="", file=sys.stderr, flush=True)
                self.drawn = drawn
        return True

    def count(self, done: int, total: int) -> bool:
        """Draw how many are done, and in how many seconds.

        Parameters
        ----------
        done, total : int
            How many of how many.

        Returns
        -------
        bool
            True: go on.
        """
        took_s = monotonic() - self.begun_s
        return self.share(done / max(total, 1), f", {done:,} of {total:,} in {took_s:.1f} s")
