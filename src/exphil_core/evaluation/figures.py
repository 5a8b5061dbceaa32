"""From sums to the figures of a report, each with its interval."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exphil_core.evaluation.bins import HALF, HEAT_CENTRES, PRESS, SURE
from exphil_core.evaluation.report import (
    Bin,
    ButtonEdges,
    Calibration,
    Estimate,
    HeatMap,
    Losses,
    PartAccuracy,
    Rate,
    Stick,
    StickError,
    StickErrors,
    WholeController,
)
from exphil_core.evaluation.sticks import (
    BOTH,
    CENTRED,
    DEGREES,
    MAGNITUDE,
    MISSED,
    OUT,
    SOURCES,
    STICKS,
    STRAYS,
)
from exphil_core.evaluation.sums import Doubles, Resampling, UnitSums
from exphil_core.evaluation.watching import HELD
from exphil_core.melee import FRAMES_PER_SECOND
from exphil_core.melee.controller import BUTTONS
from exphil_core.models.prior import GROUPS
from exphil_core.replays.controller import PARTS

# Of the sums "frames": all decisions, those that change. Losses have the same first axis.
ALL, CHANGE = 0, 1
# Of the sums of a bin: decisions, the chances given, how many came true.
COUNT, CHANCES, TRUE = range(3)
MINUTE = 60 * FRAMES_PER_SECOND


def losses(loss_U2G: Doubles, frames_U2: Doubles, draw: Resampling) -> Losses:
    """Losses from the sums of one predictor (or the difference of two of them)."""
    total_U2 = loss_U2G.sum(axis=2)
    held = draw.ratio(total_U2[:, ALL] - total_U2[:, CHANGE], frames_U2[:, ALL] - frames_U2[:, CHANGE])
    all_, change = draw.ratios(total_U2, frames_U2)
    parts, parts_change = (
        dict(zip(GROUPS, draw.ratios(loss_U2G[:, which], frames_U2[:, which, None]), strict=True))
        for which in (ALL, CHANGE)
    )
    return Losses(all=all_, change=change, hold=held, parts=parts, parts_change=parts_change)


def accuracies(sums: UnitSums, draw: Resampling) -> dict[str, PartAccuracy]:
    """By part of the controller."""
    frames_U1 = sums["frames"][:, ALL, None]
    moved_U6 = sums["moved"]
    columns = {
        "accuracy": draw.ratios(sums["right"][:, ALL], frames_U1),
        "top3": draw.ratios(sums["top3"][:, ALL], frames_U1),
        "accuracy_change": draw.ratios(sums["right"][:, CHANGE], moved_U6),
        "top3_change": draw.ratios(sums["top3"][:, CHANGE], moved_U6),
        "repeat": draw.ratios(frames_U1 - moved_U6, frames_U1),
        "change_share": draw.ratios(moved_U6, frames_U1),
    }
    return {
        part: PartAccuracy(**{name: each[index] for name, each in columns.items()})
        for index, part in enumerate(PARTS)
    }


def whole_controller(sums: UnitSums, draw: Resampling) -> WholeController:
    """Of all parts together."""
    frames, changes = sums["frames"].T
    shares: dict[str, Estimate] = {}
    for name in ("greedy", "drawn"):
        same, same_change, _ = sums[name].T
        shares[name] = draw.ratio(same, frames)
        shares[f"{name}_change"] = draw.ratio(same_change, changes)
    return WholeController(
        **shares,
        repeat=draw.ratio(frames - changes, frames),
        human_changes=draw.ratio(changes, frames),
        model_changes=draw.ratio(sums["drawn"][:, 2], frames),
        greedy_changes=draw.ratio(sums["greedy"][:, 2], frames),
    )


def button_edges(sums: UnitSums, draw: Resampling) -> dict[str, ButtonEdges]:
    """Of every button."""
    return {
        name: _edges(sums["press"][:, index], sums["frames"][:, ALL], draw)
        for index, name in enumerate(BUTTONS)
    }


def _edges(bins_UT3: Doubles, frames_U: Doubles, draw: Resampling) -> ButtonEdges:
    """`bins_UT3` are the decisions before which the button was up, by the chance given that it goes down."""
    above_UT3 = bins_UT3[:, HALF:].sum(axis=1)
    said_U, right_U = above_UT3[:, COUNT], above_UT3[:, TRUE]
    pressed_U, chances_U = bins_UT3[:, :, TRUE].sum(axis=1), bins_UT3[:, :, CHANCES].sum(axis=1)
    best = int(np.argmax(np.nan_to_num(_f1_by_threshold(bins_UT3.sum(axis=0)))))
    presses = int(pressed_U.sum())
    per_minute = draw.ratios(np.stack([pressed_U, chances_U], axis=1) * MINUTE, frames_U[:, None])
    return ButtonEdges(
        human_presses=presses,
        precision=draw.ratio(right_U, said_U),
        recall=draw.ratio(right_U, pressed_U),
        f1=draw.ratio(2 * right_U, said_U + pressed_U),
        best_f1=draw.figure(_best_f1, bins_UT3, pressed_U) if presses else Estimate(None),
        best_threshold=PRESS[best] if presses else None,
        human_per_minute=per_minute[0],
        model_per_minute=per_minute[1],
    )


def _f1_by_threshold(bins_T3: Doubles) -> Doubles:
    """F1 (…, T) of "goes down" said from each bin on, for bins (…, T, 3)."""
    from_here = np.cumsum(bins_T3[..., ::-1, :], axis=-2)[..., ::-1, :]
    pressed = from_here[..., :1, TRUE]
    below = from_here[..., COUNT] + pressed
    f1: Doubles = np.divide(
        2 * from_here[..., TRUE], below, out=np.full(below.shape, np.nan), where=below > 0
    )
    return f1


def _best_f1(bins_T3: Doubles) -> Doubles:
    f1 = _f1_by_threshold(bins_T3)
    best: Doubles = np.where(np.isnan(f1), -1.0, f1).max(axis=-1)
    return np.where(bins_T3[..., TRUE].sum(axis=-1) > 0, best, np.nan)


def press_rates(sums: UnitSums, draw: Resampling) -> dict[str, Rate]:
    """How often each button and region is held."""
    human, model = (draw.ratios(sums["held"][:, whose], sums["frames"][:, ALL, None]) for whose in (0, 1))
    return {name: Rate(human=human[index], model=model[index]) for index, name in enumerate(HELD)}


def sticks(sums: UnitSums, heat: npt.NDArray[np.int64], draw: Resampling) -> dict[str, Stick]:
    """Both sticks."""
    return {
        name: Stick(
            errors={source: _stick_errors(sums[f"stick {index} {source}"], draw) for source in SOURCES},
            heat=HeatMap(centres=HEAT_CENTRES, human=_shares(heat[index, 0]), model=_shares(heat[index, 1])),
        )
        for index, name in enumerate(STICKS)
    }


def _stick_errors(sums_U27: Doubles, draw: Resampling) -> StickErrors:
    def of(which: int) -> StickError:
        columns_U7 = sums_U27[:, which]
        above = columns_U7[:, [DEGREES, MAGNITUDE, MISSED, STRAYS]]
        below = columns_U7[:, [BOTH, OUT, OUT, CENTRED]]
        degrees, magnitude, missed, strays = draw.ratios(above, below)
        return StickError(degrees=degrees, magnitude=magnitude, missed=missed, strays=strays)

    return StickErrors(all=of(ALL), change=of(CHANGE))


def _shares(counts_yx: npt.NDArray[np.int64]) -> tuple[tuple[float, ...], ...]:
    shares = counts_yx / max(int(counts_yx.sum()), 1)
    return tuple(tuple(map(float, row)) for row in shares)


def calibrations(sums: UnitSums, draw: Resampling) -> dict[str, Calibration]:
    """Of the likeliest value of each part."""
    return {name: _calibration(sums["sure"][:, part], SURE, draw) for part, name in enumerate(PARTS)}


def press_calibrations(sums: UnitSums, draw: Resampling) -> dict[str, Calibration]:
    """Of each button's going down."""
    return {name: _calibration(sums["press"][:, i], PRESS, draw) for i, name in enumerate(BUTTONS)}


def _calibration(bins_UT3: Doubles, bounds: tuple[float, ...], draw: Resampling) -> Calibration:
    total_T3 = bins_UT3.sum(axis=0)
    bins = [
        Bin(
            low=low,
            high=high,
            frames=int(count),
            chance=float(chances / count) if count else None,
            came_true=float(true / count) if count else None,
        )
        for low, high, (count, chances, true) in zip(bounds[:-1], bounds[1:], total_T3, strict=True)
    ]
    frames_U = bins_UT3[:, :, COUNT].sum(axis=1)
    return Calibration(ece=draw.figure(_ece, bins_UT3, frames_U), bins=tuple(bins))


def _ece(bins_T3: Doubles) -> Doubles:
    """Mean distance (…) of chances and what came true, for bins (…, T, 3)."""
    frames = bins_T3[..., COUNT].sum(axis=-1)
    off = np.abs(bins_T3[..., CHANCES] - bins_T3[..., TRUE]).sum(axis=-1)
    ece: Doubles = np.divide(off, frames, out=np.full(np.shape(off), np.nan), where=frames > 0)
    return ece
