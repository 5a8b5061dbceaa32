"""Curves as a picture, with matplotlib (the extra `plot`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from exphil_core.checkpoints.atomic import writing
from exphil_core.plotting.terminal import panel_curves
from exphil_core.training.curves import PANELS, Run

PANEL_INCHES, DOTS = (7.0, 3.0), 120
STYLES = ("--", ":")
# Fixed, so that the same metrics give the same bytes.
METADATA: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}


def draw_picture(runs: Sequence[Run], path: Path) -> None:
    """Write a picture of every panel that the runs have something for. The ending of `path` says in which format.
    A picture that is there stays unless the new one is whole."""
    panels = [(title, panel_curves(runs, metrics)) for title, metrics in PANELS]
    filled = [(title, curves) for title, curves in panels if curves]
    rates = [run for run in runs if run.rates()]
    width, height = PANEL_INCHES
    # Without pyplot there is no window, no display and nothing global.
    figure = Figure(figsize=(width, height * (len(filled) + len(rates))), layout="constrained")
    axes = figure.subplots(len(filled) + len(rates), squeeze=False)[:, 0]
    for axis, (title, curves) in zip(axes, filled, strict=False):
        baselines = 0
        for curve in curves:
            xs, ys = zip(*curve.points, strict=True)
            if curve.baseline:
                axis.plot(xs, ys, color="0.5", linestyle=STYLES[baselines % len(STYLES)], label=curve.name)
                baselines += 1
            else:
                axis.plot(xs, ys, marker="." if len(xs) < 40 else "", label=curve.name)
        axis.set(title=title, xlabel="epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    for axis, run in zip(axes[len(filled) :], rates, strict=True):
        _bars(axis, run, len(runs) > 1)
    kind = path.suffix[1:].lower()
    with writing(path) as file:
        figure.savefig(file, dpi=DOTS, format=kind, metadata=METADATA[kind])


def _bars(axis: Any, run: Run, named: bool) -> None:
    rates = run.rates()
    for which, (label, colour) in enumerate((("predicted", None), ("actual", "0.6"))):
        places = [place + 0.4 * which - 0.2 for place in range(len(rates))]
        axis.bar(places, [pair[which] for pair in rates.values()], width=0.4, label=label, color=colour)
    axis.set_xticks(range(len(rates)), list(rates), rotation=30, ha="right")
    axis.set(title="press rates" + (f", {run.name}" if named else ""))
    axis.legend(fontsize="small")
