"""Requests that come and go: queues, percentiles, and a loop of steps.

`queues` has what is exact; `percentiles` what follows from `serve` in closed form, with the
intervals of its estimates.
"""
