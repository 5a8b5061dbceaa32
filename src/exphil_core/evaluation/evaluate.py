"""Models judged on games: a report of each, and what sets them apart."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
import numpy as np
import torch

import exphil_core
from exphil_core.checkpoints.entry import utc_text
from exphil_core.errors import ExphilError
from exphil_core.evaluation import figures
from exphil_core.evaluation.breakdown import breakdown, group_column, group_title
from exphil_core.evaluation.games import EvalGames
from exphil_core.evaluation.models import EvalModel
from exphil_core.evaluation.report import (
    Bootstrap,
    DataFacts,
    Difference,
    EvalReport,
    GameRow,
    GroupDifference,
    Rate,
)
from exphil_core.evaluation.scoring import DIMENSIONS, Scores, score
from exphil_core.evaluation.sums import LEAST_GAMES, Resampling
from exphil_core.models.prior import GROUPS
from exphil_core.replays.controller import PARTS
from exphil_core.training.rates import COLLAPSED, RARE
from exphil_core.training.reporter import Reporter

ALL, CHANGE = figures.ALL, figures.CHANGE
PREDICTORS = ("model", "repeat", "marginal")
# With fewer games intervals are too narrow; with fewer than LEAST_GAMES there are none.
FEW_GAMES = 10


@attrs.frozen(kw_only=True)
class EvalSettings:
    """How to judge. `character` and `held_out_only` only say what the games are."""

    samples: int = 1000
    seed: int = 0
    level: float = 0.95
    streaming: bool = False
    character: str | None = None
    held_out_only: bool = False


@attrs.frozen(kw_only=True)
class Evaluation:
    """Reports of all models, and the differences of the first one to each of the others."""

    reports: tuple[EvalReport, ...]
    differences: tuple[Difference, ...]

    def as_json(self) -> dict[str, Any]:
        """One model's report, or all of them with their differences."""
        if len(self.reports) == 1:
            return self.reports[0].as_json()
        return {
            "models": [report.as_json() for report in self.reports],
            "differences": [difference.as_json() for difference in self.differences],
        }


@attrs.frozen(kw_only=True, eq=False)
class _Judged:
    """A model with what came of it."""

    model: EvalModel
    games: EvalGames
    scores: Scores
    seconds: float


def evaluate(
    models: Sequence[EvalModel],
    games: Sequence[EvalGames],
    settings: EvalSettings,
    device: torch.device,
    reporter: Reporter,
    now: datetime,
) -> Evaluation:
    """Judge each of `models` on its view of the same games."""
    judged = [
        _judged(model, each, settings, device, reporter) for model, each in zip(models, games, strict=True)
    ]
    frames_U = judged[0].scores.units["frames"][:, ALL]
    draw = Resampling.drawn(frames_U, settings.samples, settings.seed, settings.level)
    return Evaluation(
        reports=tuple(_report(each, draw, settings, now) for each in judged),
        differences=tuple(_difference(judged[0], other, draw) for other in judged[1:]),
    )


def _judged(
    model: EvalModel, games: EvalGames, settings: EvalSettings, device: torch.device, reporter: Reporter
) -> _Judged:
    began = time.monotonic()
    policy, store = model.policy.to(device), games.store
    reporter.start(f"judging {model.facts.id}", int(store.sides.rows.sum()), "frames")

    def advance(done: int) -> None:
        rate = done / max(time.monotonic() - began, 1e-9)
        reporter.advance(done, rate=rate, rate_unit="frames/s")

    try:
        scores = score(
            policy, store, device, seed=settings.seed, streaming=settings.streaming, advance=advance
        )
    except ExphilError as error:
        raise ExphilError(f"{model.facts.id}: {error}") from None
    finally:
        reporter.finish()
    return _Judged(model=model, games=games, scores=scores, seconds=time.monotonic() - began)


def _report(judged: _Judged, draw: Resampling, settings: EvalSettings, now: datetime) -> EvalReport:
    sums, heat = judged.scores.units, judged.scores.heat
    frames_U2 = sums["frames"]
    rows, rates = game_rows(judged), figures.press_rates(sums, draw)
    data = _data(judged, rows, settings)
    return EvalReport(
        model=judged.model.facts,
        data=data,
        bootstrap=Bootstrap(
            samples=settings.samples, seed=settings.seed, level=settings.level, units=len(frames_U2)
        ),
        losses={name: figures.losses(sums[name], frames_U2, draw) for name in PREDICTORS},
        gain=figures.losses(sums["model"] - sums["repeat"], frames_U2, draw),
        controller=figures.whole_controller(sums, draw),
        accuracy=figures.accuracies(sums, draw),
        buttons=figures.button_edges(sums, draw),
        rates=rates,
        sticks=figures.sticks(sums, heat, draw),
        calibration=figures.calibrations(sums, draw),
        press_calibration=figures.press_calibrations(sums, draw),
        breakdown=breakdown(judged.scores, draw),
        games=rows,
        warnings=(*_warnings(judged.model, data), *_collapsed(judged.model, rates)),
        seconds=judged.seconds,
        exphil_core=exphil_core.__version__,
        created_at=utc_text(now),
    )


def _data(judged: _Judged, rows: Sequence[GameRow], settings: EvalSettings) -> DataFacts:
    known = judged.model.trained_on is not None
    return DataFacts(
        games=len(rows),
        sides=sum(len(row.scored) for row in rows),
        frames=sum(row.frames for row in rows),
        change_frames=sum(row.change_frames for row in rows),
        trained_on=sum(bool(row.trained_on) for row in rows) if known else None,
        held_out_only=settings.held_out_only,
        character=settings.character,
        left_out=judged.games.left_out,
    )


def _warnings(model: EvalModel, data: DataFacts) -> list[str]:
    found = []
    if data.trained_on:
        found.append(
            f"{model.facts.id} was trained on {data.trained_on} of these {data.games} games: on them it looks better "
            "than it is; --held-out judges it on its validation games alone"
        )
    if data.trained_on is None:
        found.append(
            f"{model.facts.file} has no config file beside it: it is not known which of these games it was trained on"
        )
    if data.games < FEW_GAMES:
        intervals = "narrower than they should be" if data.games >= LEAST_GAMES else "left out"
        games = "game is" if data.games == 1 else "games are"
        found.append(f"{data.games} {games} few: intervals from drawing them anew are {intervals}")
    return found


def _collapsed(model: EvalModel, rates: Mapping[str, Rate]) -> list[str]:
    """A warning of a model that has stopped to press what humans press, the first sign of a failed training."""
    lost = [
        f"{name} ({told:.2%} of frames, humans {share:.2%})"
        for name, rate in rates.items()
        for share, told in ((rate.human.value or 0.0, rate.model.value or 0.0),)
        if share > RARE and told < COLLAPSED * share
    ]
    return [f"{model.facts.id} hardly presses {', '.join(lost)}"] if lost else []


def game_rows(judged: _Judged) -> tuple[GameRow, ...]:
    """A row for each game with a decision, the worst first."""
    store, sums = judged.games.store, judged.scores.games
    # A side that never moves has no decision.
    sides, scored = store.sides, [list[int]() for _ in judged.games.facts]
    for side in np.unique(store.examples().side).tolist():
        scored[int(sides.game[side])].append(int(sides.fighter[side]))
    rows = []
    for game in np.flatnonzero(sums["frames"][:, ALL]).tolist():
        facts = judged.games.facts[game]
        frames, changes = sums["frames"][game]
        loss_2G, repeat = sums["model"][game], sums["repeat"][game, ALL].sum()
        known = judged.model.trained_on
        rows.append(
            GameRow(
                game=facts.game_hash,
                file=judged.games.files[game],
                stage=facts.stage,
                players=(facts.players[0].character, facts.players[1].character),
                scored=tuple(sorted(scored[game])),
                trained_on=None if known is None else facts.game_hash in known,
                frames=int(frames),
                change_frames=int(changes),
                loss=float(loss_2G[ALL].sum() / frames),
                loss_change=float(loss_2G[CHANGE].sum() / changes) if changes else None,
                repeat=float(repeat / frames),
                parts=dict(zip(GROUPS, map(float, loss_2G[ALL] / frames), strict=True)),
            )
        )
    return tuple(sorted(rows, key=lambda row: -row.loss))


def _difference(first: _Judged, second: _Judged, draw: Resampling) -> Difference:
    ours, theirs = first.scores.units, second.scores.units
    if not np.array_equal(ours["frames"], theirs["frames"]):
        raise AssertionError("two models were judged on different decisions")
    frames_U2 = ours["frames"]
    right = ours["right"][:, ALL] - theirs["right"][:, ALL]
    losses = [judged.scores.games["model"][:, ALL].sum(axis=1) for judged in (first, second)]
    return Difference(
        first=first.model.facts.id,
        second=second.model.facts.id,
        losses=figures.losses(ours["model"] - theirs["model"], frames_U2, draw),
        accuracy=dict(zip(PARTS, draw.ratios(right, frames_U2[:, ALL, None]), strict=True)),
        games=int((first.scores.games["frames"][:, ALL] > 0).sum()),
        first_better=int((losses[0] < losses[1]).sum()),
        groups=tuple(group for name in DIMENSIONS for group in _group_differences(name, first, second, draw)),
    )


def _group_differences(
    dimension: str, first: _Judged, second: _Judged, draw: Resampling
) -> list[GroupDifference]:
    ours, theirs = first.scores.units[dimension], second.scores.units[dimension]
    frames_UV = group_column(ours, "frames")
    loss_UV = group_column(ours, "loss") - group_column(theirs, "loss")
    values = np.flatnonzero(frames_UV.sum(axis=0))
    found = []
    for value, each in zip(
        values.tolist(), draw.ratios(loss_UV[:, values], frames_UV[:, values]), strict=True
    ):
        name, title = group_title(dimension, value)
        frames = int(frames_UV[:, value].sum())
        found.append(
            GroupDifference(dimension=dimension, name=name, title=title, frames=frames, difference=each)
        )
    return sorted(found, key=lambda group: -group.frames)
