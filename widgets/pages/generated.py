"""Pages of the book that are written from the kernel and from what was measured."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "book"


def write(name, made):
    """Write a generated page, if that changes it.

    Parameters
    ----------
    name : str
        The page, such as "notation".
    made : str
        What it shall hold.

    Returns
    -------
    bool
        Whether the file was written.
    """
    path = FOLDER / f"{name}.md"
    if path.exists() and path.read_text(encoding="utf-8") == made:
        return False
    path.write_text(made, encoding="utf-8")
    return True


def cells(*texts):
    """Write a row of a table.

    Parameters
    ----------
    *texts : object
        Markdown; what would end a cell or begin a formula is escaped.

    Returns
    -------
    str
        A line of Markdown.

    Examples
    --------
    >>> cells("a | b", 1)
    '| a \\\\| b | 1 |\\n'
    """
    plain = (str(cell).replace("|", "\\|").replace("$", "\\$") for cell in texts)
    return "| " + " | ".join(plain) + " |\n"
