"""Pictures of chapter 3."""

from . import cache_users, card_memory

PICTURES = {**card_memory.PICTURES, **cache_users.PICTURES}
