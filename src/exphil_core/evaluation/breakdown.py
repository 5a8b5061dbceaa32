"""The figures of groups of decisions: by character, opponent, stage and situation."""

from __future__ import annotations

import numpy as np

from exphil_core.evaluation.report import Estimate, Group
from exphil_core.evaluation.scoring import DIMENSIONS, GROUP_COLUMNS, Scores
from exphil_core.evaluation.situations import SITUATIONS
from exphil_core.evaluation.sums import Doubles, Resampling
from exphil_core.melee.characters import BY_INTERNAL as CHARACTERS
from exphil_core.melee.characters import NANA_INTERNAL
from exphil_core.melee.stages import BY_INTERNAL as STAGES
from exphil_core.models.prior import GROUPS

_AT = {name: index for index, name in enumerate(GROUP_COLUMNS)}
_FIGURES = ("loss", "loss_change", "repeat", "gain", "buttons_accuracy", "main_accuracy")


def breakdown(scores: Scores, draw: Resampling) -> dict[str, tuple[Group, ...]]:
    """Groups by dimension, those with most frames first; groups without a frame are left out."""
    return {name: _groups(name, scores, draw) for name in DIMENSIONS}


def group_column(sums_UVC: Doubles, name: str) -> Doubles:
    """One of GROUP_COLUMNS, (U, V)."""
    return sums_UVC[:, :, _AT[name]]


def group_title(dimension: str, value: int) -> tuple[str, str]:
    """The name that filters know and the one for people, of an index of a dimension."""
    if dimension == "situation":
        return SITUATIONS[value], SITUATIONS[value]
    if dimension == "stage":
        return (STAGES[value].name, STAGES[value].title) if value in STAGES else ("unknown", "unknown")
    if value == NANA_INTERNAL:
        return "nana", "Nana"
    known = CHARACTERS.get(value)
    return (known.name, known.title) if known else ("unknown", "unknown")


def _groups(dimension: str, scores: Scores, draw: Resampling) -> tuple[Group, ...]:
    sums_UVC = scores.units[dimension]
    frames_V, changes_V = (group_column(sums_UVC, name).sum(axis=0) for name in ("frames", "changes"))
    values = np.flatnonzero(frames_V)
    columns = _columns(sums_UVC[:, values], draw)
    found = []
    for place, value in enumerate(values.tolist()):
        name, title = group_title(dimension, value)
        found.append(
            Group(
                name=name,
                title=title,
                games=int(scores.seen[dimension][:, value].sum()),
                frames=int(frames_V[value]),
                change_frames=int(changes_V[value]),
                parts={group: columns[group][place] for group in GROUPS},
                **{key: columns[key][place] for key in _FIGURES},
            )
        )
    return tuple(sorted(found, key=lambda group: -group.frames))


def _columns(sums_UVC: Doubles, draw: Resampling) -> dict[str, list[Estimate]]:
    """Each figure of every group."""
    of = {name: group_column(sums_UVC, name) for name in GROUP_COLUMNS}
    above = {
        "loss": of["loss"],
        "repeat": of["repeat"],
        "gain": of["loss"] - of["repeat"],
        "buttons_accuracy": of["buttons_right"],
        "main_accuracy": of["main_right"],
        **{group: of[group] for group in GROUPS},
    }
    columns = {name: draw.ratios(each, of["frames"]) for name, each in above.items()}
    return {**columns, "loss_change": draw.ratios(of["loss_change"], of["changes"])}
