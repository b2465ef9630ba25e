"""What a cell printed, joined as it was printed.

A Sphinx extension. Printed text reaches the builder in pieces, cut where the clock has it. MyST-NB
ends each piece with a line break as it joins them, so that a page has a blank line more now and
then.
"""

from myst_nb.core import render


def joined(outputs):
    """Join the pieces of each stream that follow one another.

    Parameters
    ----------
    outputs : list of nbformat.NotebookNode
        Outputs of a cell.

    Returns
    -------
    list of nbformat.NotebookNode
        The same, with one output where several pieces were.
    """
    made: list = []
    for output in outputs:
        last = made[-1] if made else {}
        both = last.get("output_type") == output["output_type"] == "stream"
        if both and last["name"] == output["name"]:
            last["text"] += output["text"]
        else:
            made.append(output)
    return made


def setup(app):
    """Register with Sphinx: `nb_merge_streams` then joins as we do."""
    render.coalesce_streams = joined
    return {"parallel_read_safe": True, "parallel_write_safe": True}
