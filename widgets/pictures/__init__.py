"""The pictures of the book, computed by the kernel; a file a chapter."""

from . import bandwidth, capacity, design, law, toolbox, vendor

PICTURES = {
    **law.PICTURES,
    **bandwidth.PICTURES,
    **capacity.PICTURES,
    **toolbox.PICTURES,
    **design.PICTURES,
    **vendor.PICTURES,
}
