"""The predictions of the book: what a reader guesses, and the answer, computed by the kernel."""

from . import bandwidth, capacity, design, law, toolbox
from .record import Guess

GUESSES = law.GUESSES | bandwidth.GUESSES | capacity.GUESSES | toolbox.GUESSES | design.GUESSES
