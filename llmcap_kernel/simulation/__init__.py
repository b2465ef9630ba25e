"""Requests over time: queues, percentiles, and a simulation step by step.

`percentiles` and `rates` derive percentiles from `serve` in closed form, with intervals. `loop`
simulates an engine step by step, for what has no closed form.
"""

from .along import along, most_rps
from .arrivals import KINDS, Arrivals, Lengths, Load, Request, of_trace, requests
from .loop import Completed, Group, Run, simulate
from .steps import Room, Scaled, Steps, Times, room_of
from .tails import (
    PERCENTS,
    QUANTITIES,
    Band,
    Simulated,
    duration_s,
    estimated,
    goodput_rps,
    offered_rps,
    saturates_rps,
    saturation,
    weighted,
)

__all__ = [
    "KINDS",
    "PERCENTS",
    "QUANTITIES",
    "Arrivals",
    "Band",
    "Completed",
    "Group",
    "Lengths",
    "Load",
    "Request",
    "Room",
    "Run",
    "Scaled",
    "Simulated",
    "Steps",
    "Times",
    "along",
    "duration_s",
    "estimated",
    "goodput_rps",
    "most_rps",
    "of_trace",
    "offered_rps",
    "requests",
    "room_of",
    "saturates_rps",
    "saturation",
    "simulate",
    "weighted",
]
