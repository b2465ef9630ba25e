"""The pictures of the book, computed by the kernel; a file a chapter."""

from . import bandwidth, capacity, design, front, law, toolbox, vendor

CHAPTERS = (law, bandwidth, capacity, toolbox, design, vendor, front)
PICTURES = {name: one for chapter in CHAPTERS for name, one in chapter.PICTURES.items()}
