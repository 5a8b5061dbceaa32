"""What an evaluation found, as plain values: made by `evaluate`, shown by commands and the page, kept as JSON.

Everything is said of *decisions*: frames whose controller is an example to imitate, of all the sides that were
scored. A part's figures are given the human's parts before it (buttons, main stick, C-stick, shoulder, in this
order; a stick's y given its x): nothing of the model is drawn unless it says so. Losses are nats a frame. A frame
*changes* if its controller differs from the one before it, and *holds* otherwise.
"""

from __future__ import annotations

import math
from typing import Any

import attrs

# Raised when a field of the JSON changes its meaning or goes away.
FORMAT = 1


@attrs.frozen
class Estimate:
    """A figure and its interval from drawing games anew: None where fewer than five games tell anything of it. The
    figure itself is None where no frame does (a button that nobody pressed)."""

    value: float | None
    low: float | None = None
    high: float | None = None


@attrs.frozen(kw_only=True)
class ModelFacts:
    """What was judged."""

    id: str  # the registry's, or the stem of the file
    file: str  # that its weights were read from
    backbone: str
    hidden_sizes: tuple[int, ...]
    parameters: int
    delay: int  # frames
    character: str | None  # it was trained to play; None: any
    features: tuple[str, ...]
    epochs: int
    registered_val_loss: float | None  # what its run measured, None where no config file says


@attrs.frozen(kw_only=True)
class DataFacts:
    """What it was judged on."""

    games: int
    sides: int
    frames: int  # decisions
    change_frames: int  # those of them that change
    trained_on: int | None  # games among them that the model was trained on; None: not known
    held_out_only: bool  # whether the user asked for the model's own validation games
    character: str | None  # whose sides, None: all human ones
    left_out: dict[str, int]  # files by reason


@attrs.frozen(kw_only=True)
class Losses:
    """Mean negative log-likelihoods. `parts` (buttons, main, c, shoulder) add up to `all`, `parts_change` to
    `change`."""

    all: Estimate
    change: Estimate
    hold: Estimate
    parts: dict[str, Estimate]
    parts_change: dict[str, Estimate]


@attrs.frozen(kw_only=True)
class PartAccuracy:
    """How often the likeliest value of one of the six parts (and one of the three likeliest) is the human's: of all
    frames, and of those on which this very part changes. `repeat` is what repeating the last value scores on all."""

    accuracy: Estimate
    top3: Estimate
    accuracy_change: Estimate
    top3_change: Estimate
    repeat: Estimate
    change_share: Estimate  # frames on which this part changes


@attrs.frozen(kw_only=True)
class WholeController:
    """Shares of frames on which the whole controller is the human's, to the last step of each stick: the likeliest
    controller (part after part), one drawn at temperature 1, and the last one again."""

    greedy: Estimate
    greedy_change: Estimate
    drawn: Estimate
    drawn_change: Estimate
    repeat: Estimate
    # Shares of frames on which the controller changes: the human's, the one drawn from the model, the likeliest one.
    # Where the last is near 0, a player that always takes the likeliest controller gets stuck.
    human_changes: Estimate
    model_changes: Estimate
    greedy_changes: Estimate = Estimate(None)


@attrs.frozen(kw_only=True)
class ButtonEdges:
    """Presses of a button: frames on which it goes down, among those on which it was up before.

    The model says "goes down" where it gives that at least a chance of so much: `precision`, `recall` and `f1` are at
    0.5, `best_f1` at the threshold that suits this button best on these games. A press that comes a frame early or
    late counts as wrong twice, so that no model comes near 1: compare models, or a model with `best_f1` of another.
    """

    human_presses: int
    precision: Estimate
    recall: Estimate
    f1: Estimate
    best_f1: Estimate
    best_threshold: float | None
    human_per_minute: Estimate
    model_per_minute: Estimate  # what its chances add up to


@attrs.frozen(kw_only=True)
class Rate:
    """Share of frames on which something is held: by the human, and by the model's chances averaged."""

    human: Estimate
    model: Estimate


@attrs.frozen(kw_only=True)
class StickError:
    """How far off a predicted stick is.

    `degrees`: mean angle to the human's stick, where both are out of the centre; `magnitude`: mean difference of the
    lengths (0 to 1), where the human's is; `missed`: share of those frames on which the predicted one is in the
    centre; `strays`: share of the human's centred frames on which it is not.
    """

    degrees: Estimate
    magnitude: Estimate
    missed: Estimate
    strays: Estimate


@attrs.frozen(kw_only=True)
class StickErrors:
    """Of one way to predict: on all frames, and on those on which this stick moves."""

    all: StickError
    change: StickError


@attrs.frozen(kw_only=True)
class HeatMap:
    """Shares of frames by position of a stick, `share[row][column]`: row 0 is the lowest y, column 0 the lowest x.

    `centres` are the middles of the rows and of the columns, -1 to 1, evenly spaced; the cell in the middle holds the
    resting stick and nothing else. Each of `human` and `model` adds up to 1; the model's are controllers drawn at
    temperature 1, one a frame, after what the human had done before.
    """

    centres: tuple[float, ...]
    human: tuple[tuple[float, ...], ...]
    model: tuple[tuple[float, ...], ...]


@attrs.frozen(kw_only=True)
class Stick:
    """One stick. `errors` are by what predicts: greedy (the likeliest controller), drawn (at temperature 1), repeat
    (the last controller)."""

    errors: dict[str, StickErrors]
    heat: HeatMap


@attrs.frozen(kw_only=True)
class Bin:
    """Frames on which the model's chance of what is predicted lay between `low` and `high`: the mean of those
    chances, and how often it came true (both None without frames)."""

    low: float
    high: float
    frames: int
    chance: float | None
    came_true: float | None


@attrs.frozen(kw_only=True)
class Calibration:
    """Whether chances are what they say. `ece` is the mean distance of `chance` and `came_true`, weighted by frames;
    `bins` are in order and leave nothing out."""

    ece: Estimate
    bins: tuple[Bin, ...]


@attrs.frozen(kw_only=True)
class Group:
    """Decisions that have something in common. `gain` is `loss` less the repeat baseline's: below 0 is better."""

    name: str  # as filters know it: fox, battlefield, edge-guard
    title: str  # for people: Fox, Battlefield, edge-guard
    games: int
    frames: int
    change_frames: int
    loss: Estimate
    loss_change: Estimate
    repeat: Estimate
    gain: Estimate
    parts: dict[str, Estimate]
    buttons_accuracy: Estimate
    main_accuracy: Estimate  # x and y of the likeliest main stick, both


@attrs.frozen(kw_only=True)
class GameRow:
    """One game, of all its sides that were scored. `file` is where it was read from; inside an archive,
    `archive.zip/member.slp`."""

    game: str  # its hash
    file: str
    stage: str
    players: tuple[str, str]  # characters in port order
    scored: tuple[int, ...]  # which of the two were
    trained_on: bool | None
    frames: int
    change_frames: int
    loss: float
    loss_change: float | None
    repeat: float
    parts: dict[str, float]


@attrs.frozen(kw_only=True)
class Bootstrap:
    """How intervals were made: so many times as many games were drawn, with replacement; `level` is what they cover.
    Beyond `units` games, several make one unit."""

    samples: int
    seed: int
    level: float
    units: int


@attrs.frozen(kw_only=True)
class EvalReport:
    """All that is known of one model after an evaluation."""

    model: ModelFacts
    data: DataFacts
    bootstrap: Bootstrap
    # By what predicts: model, repeat, marginal. `losses["model"].all` is the canonical val_loss.
    losses: dict[str, Losses]
    gain: Losses  # the model's less the repeat baseline's, in pairs: below 0 the model is better
    controller: WholeController
    accuracy: dict[str, PartAccuracy]  # buttons, main_x, main_y, c_x, c_y, shoulder
    buttons: dict[str, ButtonEdges]  # A B X Y Z L R D_UP
    # Buttons; "main left", "main right", "main down", "main up", "c left" …; "shoulder".
    rates: dict[str, Rate]
    sticks: dict[str, Stick]  # main, c
    calibration: dict[str, Calibration]  # of the likeliest value of each of the six parts
    press_calibration: dict[str, Calibration]  # of each button's going down, while it is up
    breakdown: dict[str, tuple[Group, ...]]  # character, opponent, stage, situation; most frames first
    games: tuple[GameRow, ...]  # the worst first
    warnings: tuple[str, ...]  # for the user, one line each
    seconds: float  # that it took
    exphil_core: str  # version
    created_at: str  # UTC, 2026-01-19T12:34:56Z
    format: int = FORMAT

    def as_json(self) -> dict[str, Any]:
        """Plain values that JSON can hold: no NaN, no tuples. The four figures of the registry come first, under the
        names that they have there."""
        head = {
            "val_loss": self.losses["model"].all.value,
            "val_loss_change": self.losses["model"].change.value,
            "baseline_repeat": self.losses["repeat"].all.value,
            "baseline_marginal": self.losses["marginal"].all.value,
        }
        plain: dict[str, Any] = _plain(head | attrs.asdict(self))
        return plain


@attrs.frozen(kw_only=True)
class GroupDifference:
    """A difference within one group of a breakdown."""

    dimension: str  # character, opponent, stage, situation
    name: str
    title: str
    frames: int
    difference: Estimate


@attrs.frozen(kw_only=True)
class Difference:
    """Two models on the same decisions of the same games: losses of `first` less those of `second`, so that below 0
    the first is better. Intervals come from drawing games, each with what both lost on it."""

    first: str
    second: str
    losses: Losses
    accuracy: dict[str, Estimate]  # of the six parts, on all frames: above 0 the first is better
    games: int
    first_better: int  # games on which its loss is lower
    groups: tuple[GroupDifference, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        plain: dict[str, Any] = _plain(attrs.asdict(self))
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
