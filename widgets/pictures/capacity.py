"""Pictures of chapter 3."""

from .record import Picture

PICTURES: dict[str, Picture] = {}
