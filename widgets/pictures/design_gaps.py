"""Picture of chapter 5: a hundred gaps in order, and which of them a limit sees."""

from dataclasses import replace

from llmcap_kernel import calibration
from llmcap_kernel.explain import counted, digits, quantity
from llmcap_kernel.simulation.percentiles import percentile
from llmcap_kernel.simulation.spread import spread_of

from ..figures import show
from ..figures.plots import Axis, Dots, Drawable, Limit, Line, Mark, chart
from .record import Control, Drawn, Picture
from .worked_spec import ALLOWED, GAP, deployments, load_of

ANSWERS = (250, 300, 400, 500, 700, 1000)
GAPS_MS = (5.0, 2000.0)  # ends of the axis
SHOWN = (50, 90, 95, 99)


def _gaps(answer, users):
    """Each of a hundred gaps [ms], the share of them that carry a prompt, and the estimates."""
    load = replace(load_of(users), output_tokens=answer)
    made = calibration.estimates(deployments()["B"], load)
    each = [1e3 * percentile(made, GAP.quantity, n - 0.5).value for n in range(1, 101)]
    return each, spread_of(made.served).stalled, made


def _hundred(answer, users):
    each, stalled, made = _gaps(answer, users)
    plain = round(100 * (1 - stalled))
    points = list(enumerate(each, 1))
    mean = 1e3 * made.itl_s.value
    p95 = percentile(made, GAP.quantity, GAP.percent).value
    allowed_ms, allowed = ALLOWED
    marks: list[Drawable] = [
        Limit(allowed, y=allowed_ms),
        Line(f"mean {quantity(mean / 1e3, 's')}", [(0, mean), (100, mean)], "quiet", where=20),
        Dots("", points[:plain], "weights", dim=1),
        Dots("the long ones carry a prompt", points[plain:], "prompt", size=6, dim=1),
        Mark(f"p95: {quantity(p95, 's')}", GAP.percent, 1e3 * p95, "text", True, below=True),
    ]
    drawing = chart(
        marks,
        Axis("gaps in order, the shortest first", 0, 100),
        Axis("gap, ms", *GAPS_MS, log=True),
    )
    kind = "a stop" if 100 * stalled > 100 - GAP.percent else "a plain step"
    asked = f"answers of {answer:,} tokens, {counted(users, 'user')}"
    said = (
        f"With {asked}, {digits(100 * stalled, 2)} of 100 gaps carry a prompt. The p95 is {kind}, "
        f"{quantity(p95, 's')}; the mean is {quantity(mean / 1e3, 's')}."
    )
    rows = [(f"p{n}", percentile(made, GAP.quantity, n).value) for n in SHOWN]
    caption = f"Gaps of B, {asked}"
    table = show.table(
        ("gap", "time"), [("mean", made.itl_s.value), *rows], caption, units=("", "s")
    )
    return Drawn(drawing, said, table)


PICTURES = {
    "hundred-gaps": Picture(
        "A hundred gaps of B, in order",
        _hundred,
        (
            Control("answer", "Answer", ANSWERS, 1000, "tokens"),
            Control("users", "Users", (4, 8, 12, 16, 20, 24, 32, 40, 48), 16, "users"),
        ),
    ),
}
