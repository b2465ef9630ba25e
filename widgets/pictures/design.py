"""Pictures of chapter 5."""

from .record import Picture

PICTURES: dict[str, Picture] = {}
