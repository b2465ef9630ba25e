"""The pictures of the book, computed by the kernel; a file a chapter."""

from . import bandwidth, capacity, design, law, toolbox

PICTURES = {
    **law.PICTURES,
    **bandwidth.PICTURES,
    **capacity.PICTURES,
    **toolbox.PICTURES,
    **design.PICTURES,
}
