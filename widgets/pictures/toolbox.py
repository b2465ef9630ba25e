"""Pictures of chapter 4."""

from .record import Picture

PICTURES: dict[str, Picture] = {}
