"""What tests read of a view and of a picture, as a person would."""

from xml.etree import ElementTree

from widgets.picture_session import PictureSession


def headline(view):
    """The numbers at the top, by their labels."""
    return {item["label"]: item for item in view["headline"]}


def control(view, name):
    """One of the inputs as it is shown; None where it is not."""
    return next((one for one in view["controls"] if one["name"] == name), None)


def said(view, field="config"):
    """The messages beside an input: the box that a text is pasted in, unless it is another."""
    return [one["text"] for one in view["messages"] if one["field"] == field]


def errors(view):
    """What was refused."""
    return [one for one in view["messages"] if one["level"] == "error"]


def picture_of(name, **values):
    """A picture of the book with some of its inputs moved."""
    return PictureSession(name, **values).drawn


def drawing_of(name, **values):
    """What is drawn of it."""
    return picture_of(name, **values).drawing


def svg(drawing):
    """A drawing as nodes."""
    return ElementTree.fromstring(drawing.svg("said"))


def words(drawing):
    """The texts in a drawing, in their order."""
    return [node.text for node in svg(drawing).iter("text")]


def text_of(drawing):
    """All that is written in a drawing, as one text."""
    return " ".join(svg(drawing).itertext())


def rects(drawing):
    """The rectangles that are as wide as a share of the drawing, in their order."""
    return [node for node in svg(drawing).iter("rect") if "%" in node.get("width")]


def widths(drawing):
    """How wide these are [%]."""
    return [float(node.get("width").rstrip("%")) for node in rects(drawing)]
