"""What `exphil eval` prints: one model in full, or several side by side. Everything else is in `--json`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from exphil_core.cli.output import print_table
from exphil_core.evaluation.evaluate import Evaluation
from exphil_core.evaluation.report import Difference, Estimate, EvalReport, Group, Losses
from exphil_core.models.prior import GROUPS

PREDICTORS = {"model": "model", "repeat": "repeat baseline", "marginal": "marginal baseline"}
PART_TITLES = {
    "buttons": "buttons", "main_x": "main x", "main_y": "main y, given x", "c_x": "C x", "c_y": "C y, given x",
    "shoulder": "shoulder",
}  # fmt: skip
GROUP_TITLES = {"buttons": "buttons", "main": "main stick", "c": "C-stick", "shoulder": "shoulder"}
SOURCES = {"greedy": "likeliest", "drawn": "drawn", "repeat": "last one"}
# Rows of a table of groups or games; the rest is in the JSON.
LONGEST = 12
WORST = 5


def show(result: Evaluation) -> None:
    """Print `result` for people."""
    if len(result.reports) == 1:
        _show_one(result.reports[0])
    else:
        _show_several(result)


def _show_one(report: EvalReport) -> None:
    _head(report)
    _losses(report)
    _accuracy(report)
    _buttons(report)
    _sticks(report)
    for dimension, groups in report.breakdown.items():
        _groups(dimension, groups)
    _games(report)


def _head(report: EvalReport) -> None:
    model = report.model
    known = (
        "" if model.registered_val_loss is None else f", val_loss {model.registered_val_loss:.4f} in its run"
    )
    click.echo(
        f"{model.id}: {model.backbone} {','.join(map(str, model.hidden_sizes))}, {model.parameters:,} parameters, "
        f"delay {model.delay}, {_many(model.epochs, 'epoch')}{known}"
    )
    _data(report)
    whole = report.controller
    click.echo(
        f"the whole controller, to the last step: likeliest {percent(whole.greedy)} right, drawn "
        f"{percent(whole.drawn)}, last one again {percent(whole.repeat)}; on changes {percent(whole.greedy_change)}, "
        f"{percent(whole.drawn_change)}, none"
    )
    click.echo(
        f"it changes the controller on {percent(whole.model_changes)} of frames if drawn at temperature 1, on "
        f"{percent(whole.greedy_changes)} if the likeliest is taken; the human on {percent(whole.human_changes)}"
    )


def _data(report: EvalReport) -> None:
    data = report.data
    left = ", ".join(f"{count} {reason}" for reason, count in data.left_out.items())
    of = f" of {data.character}" if data.character else ""
    click.echo(
        f"{_many(data.games, 'game')}, {_many(data.sides, 'side')}{of}, {_many(data.frames, 'decision')}, "
        f"{data.change_frames / max(data.frames, 1):.1%} of them changes"
        + (f"; left out {sum(data.left_out.values()):,}: {left}" if left else "")
    )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _table(title: str, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    click.echo(f"\n{title}")
    print_table(headers, rows)


def _losses(report: EvalReport) -> None:
    rows: list[tuple[str, Losses]] = [(title, report.losses[name]) for name, title in PREDICTORS.items()]
    rows.append(("model less repeat", report.gain))
    level = f"{report.bootstrap.level:.0%}"
    _table(
        f"Loss, nats a frame ({level} intervals, drawing games anew)",
        ("", "all frames", "frames that change", "frames that hold"),
        [(title, *map(ranged, (loss.all, loss.change, loss.hold))) for title, loss in rows],
    )
    _table(
        "Loss by part of the controller, all frames / frames that change",
        ("", *GROUP_TITLES.values()),
        [
            (title, *(f"{number(loss.parts[g])} / {number(loss.parts_change[g])}" for g in GROUPS))
            for title, loss in rows
        ],
    )


def _accuracy(report: EvalReport) -> None:
    _table(
        "How often the likeliest value is the human's (of all frames; of those on which this part changes)",
        (
            "part",
            "right",
            "in top 3",
            "repeat",
            "changes",
            "right then",
            "in top 3 then",
            "calibration error",
        ),
        [
            (
                title,
                *map(percent, (part.accuracy, part.top3, part.repeat, part.change_share)),
                *map(percent, (part.accuracy_change, part.top3_change)),
                percent(report.calibration[name].ece),
            )
            for name, title in PART_TITLES.items()
            for part in (report.accuracy[name],)
        ],
    )


def _buttons(report: EvalReport) -> None:
    rows: list[tuple[object, ...]] = []
    for name, rate in report.rates.items():
        edges = report.buttons.get(name)
        told: tuple[object, ...] = ("", "", "", "", "")
        if edges is not None:
            at = "" if edges.best_threshold is None else f"{edges.best_threshold:g}"
            told = (
                number(edges.human_per_minute, 1),
                number(edges.model_per_minute, 1),
                number(edges.f1, 2),
                f"{number(edges.best_f1, 2)} at {at}" if at else "-",
                percent(report.press_calibration[name].ece, 2),
            )
        rows.append((name, percent(rate.human, 2), percent(rate.model, 2), *told))
    _table(
        "Held, share of frames; presses a minute; F1 of the frame of a press",
        ("", "human", "model", "presses", "model's", "F1", "best F1", "calibration error"),
        rows,
    )


def _sticks(report: EvalReport) -> None:
    rows = []
    for stick, title in (("main", "main stick"), ("c", "C-stick")):
        for source, by in SOURCES.items():
            errors = report.sticks[stick].errors[source]
            rows.append(
                (
                    title,
                    by,
                    *(
                        text
                        for error in (errors.all, errors.change)
                        for text in (
                            number(error.degrees, 1),
                            number(error.magnitude),
                            percent(error.missed),
                            percent(error.strays),
                        )
                    ),
                )
            )
    _table(
        "Sticks: degrees and length off; missed: centred, the human's is out; strays: the other way round; * on "
        "frames on which the human moves the stick",
        ("", "by", "degrees", "length", "missed", "strays", "degrees*", "length*", "missed*", "strays*"),
        rows,
    )


def _groups(dimension: str, groups: Sequence[Group]) -> None:
    _table(
        f"By {dimension}",
        (dimension, "games", "frames", "loss", "less repeat", "on changes", "buttons right", "main right"),
        [
            (
                group.title,
                group.games,
                f"{group.frames:,}",
                ranged(group.loss),
                number(group.gain),
                number(group.loss_change),
                percent(group.buttons_accuracy),
                percent(group.main_accuracy),
            )
            for group in groups[:LONGEST]
        ],
    )
    if len(groups) > LONGEST:
        click.echo(f"… and {len(groups) - LONGEST} more in --json")


def _games(report: EvalReport) -> None:
    worst = report.games[:WORST]
    title = "Games, the worst first" if len(worst) == len(report.games) else f"The {WORST} worst games"
    _table(
        title,
        ("game", "frames", "loss", "less repeat", "on changes", "trained on"),
        [
            (
                row.file,
                f"{row.frames:,}",
                f"{row.loss:.3f}",
                f"{row.loss - row.repeat:+.3f}",
                "-" if row.loss_change is None else f"{row.loss_change:.3f}",
                {None: "?", True: "yes", False: "no"}[row.trained_on],
            )
            for row in worst
        ],
    )


def _show_several(result: Evaluation) -> None:
    first = result.reports[0]
    _data(first)
    rows = [
        (report.model.id, report.model.delay, report.losses["model"], report) for report in result.reports
    ]
    _table(
        f"Loss, nats a frame ({first.bootstrap.level:.0%} intervals, drawing games anew)",
        ("model", "backbone", "delay", "all frames", "frames that change", "buttons right", "main x right"),
        [
            (
                name,
                f"{report.model.backbone} {','.join(map(str, report.model.hidden_sizes))}",
                delay,
                ranged(loss.all),
                ranged(loss.change),
                percent(report.accuracy["buttons"].accuracy),
                percent(report.accuracy["main_x"].accuracy),
            )
            for name, delay, loss, report in rows
        ]
        + [
            (title, f"of {first.model.id}", "", ranged(loss.all), ranged(loss.change), "", "")
            for name, title in PREDICTORS.items()
            if name != "model"
            for loss in (first.losses[name],)
        ],
    )
    for difference in result.differences:
        _difference(difference)


def _difference(difference: Difference) -> None:
    click.echo(
        f"\n{difference.first} less {difference.second}, below 0 where the first is better "
        f"(lower loss on {difference.first_better} of {difference.games} games)"
    )
    loss = difference.losses
    rows: list[tuple[str, Estimate]] = [
        ("all frames", loss.all), ("frames that change", loss.change), ("frames that hold", loss.hold),
    ]  # fmt: skip
    rows += [(title, loss.parts[name]) for name, title in GROUP_TITLES.items()]
    print_table(("", "nats a frame", ""), [(title, signed(each), verdict(each)) for title, each in rows])
    shown: dict[str, int] = {}
    groups = []
    for group in difference.groups:
        shown[group.dimension] = shown.get(group.dimension, 0) + 1
        if shown[group.dimension] <= LONGEST:
            groups.append(
                (
                    group.dimension,
                    group.title,
                    f"{group.frames:,}",
                    signed(group.difference),
                    verdict(group.difference),
                )
            )
    click.echo()
    print_table(("by", "", "frames", "nats a frame", ""), groups)


def number(estimate: Estimate, digits: int = 3) -> str:
    """The figure alone."""
    return "-" if estimate.value is None else f"{estimate.value:.{digits}f}"


def percent(estimate: Estimate, digits: int = 1) -> str:
    """The figure alone, as a share."""
    return "-" if estimate.value is None else f"{estimate.value:.{digits}%}"


def ranged(estimate: Estimate) -> str:
    """The figure with its interval."""
    return _ranged(estimate, lambda value: f"{value:.3f}")


def signed(estimate: Estimate) -> str:
    """A difference with its interval."""
    return _ranged(estimate, lambda value: f"{value:+.4f}")


def _ranged(estimate: Estimate, text: Callable[[float], str]) -> str:
    if estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return text(estimate.value)
    return f"{text(estimate.value)} ({text(estimate.low)} to {text(estimate.high)})"


def verdict(difference: Estimate) -> str:
    """Which of two models is better, if the interval says so."""
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return ""
    return "first better" if difference.high < 0 else "second better"
