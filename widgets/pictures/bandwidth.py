"""Pictures of chapter 2."""

from .record import Picture

PICTURES: dict[str, Picture] = {}
