"""A model over the games it is judged on: sums of everything that figures are made of.

Shapes: B lanes, T frames, n decisions of a batch, G = 4 parts (`prior.GROUPS`), 6 controller cells, K = HELD.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from exphil_core.errors import ExphilError
from exphil_core.evaluation.baselines import prior_of
from exphil_core.evaluation.bins import HEAT_CELLS, HEAT_OF_AXIS, PRESS, SURE, bin_of
from exphil_core.evaluation.situations import SITUATIONS
from exphil_core.evaluation.steps import EvalStep, eval_steps
from exphil_core.evaluation.sticks import STICKS, stick_sums
from exphil_core.evaluation.sums import Runs, UnitSums, unit_of_games
from exphil_core.evaluation.watching import Watched, Watcher, held
from exphil_core.melee import characters, stages
from exphil_core.melee.controller import BUTTONS
from exphil_core.models.backbones.base import State
from exphil_core.models.head import PART_GROUPS
from exphil_core.models.policy import Policy
from exphil_core.models.prior import GROUPS, ControllerPrior
from exphil_core.replays.controller import MAIN_X, MAIN_Y, Cells
from exphil_core.training.batches import TensorBatch, carried_state, to_tensors
from exphil_core.training.frames import FrameStore
from exphil_core.training.table import Longs

# What the decisions of a breakdown are split by, and how many values each can have.
DIMENSIONS = {
    "character": characters.INTERNAL_IDS,
    "opponent": characters.INTERNAL_IDS,
    "stage": stages.INTERNAL_IDS,
    "situation": len(SITUATIONS),
}
# Columns of the sums of each group; the losses of the four parts follow.
GROUP_COLUMNS = (
    "frames", "changes", "loss", "loss_change", "repeat", "buttons_right", "main_right", *GROUPS,
)  # fmt: skip
Advance = Callable[[int], None]


@attrs.frozen(kw_only=True, eq=False)
class Scores:
    """What was summed. `units` feed the intervals; `games` has a row for every game of the store, and `seen` says by
    dimension which groups occur in each, (games, groups).
    `heat` counts positions: 2 sticks × human, model × y × x."""

    units: UnitSums
    games: UnitSums
    seen: dict[str, npt.NDArray[np.bool_]]
    heat: npt.NDArray[np.int64]


@torch.no_grad()
def score(
    policy: Policy,
    store: FrameStore,
    device: torch.device,
    *,
    seed: int = 0,
    streaming: bool = False,
    advance: Advance = lambda frames: None,
) -> Scores:
    """Score `policy` on every decision of `store`'s sides, which must hold one at least.

    With `streaming` it sees one frame at a time, through the path that plays. `seed` decides what is drawn.
    `advance` is told how many rows are done. Raises ExphilError for a model whose chances are no numbers.
    """
    was_training = policy.training
    policy.eval()
    hashes = store.table.hashes()
    sums = _Sums(hashes, prior_of(policy.head))
    generator = torch.Generator(device).manual_seed(seed)
    state, done = policy.initial_state(0), 0
    for step in eval_steps(store):
        tensors = to_tensors(step.batch, device)
        state = carried_state(policy, state, step, device)
        y_BTH, state = (_streamed if streaming else _at_once)(policy, tensors, state)
        lane, frame = np.nonzero(step.batch.counts)
        if len(lane):
            y_nH, target_n6, last_n6 = (
                part[tensors.counts] for part in (y_BTH, tensors.target, tensors.decided)
            )
            watcher = Watcher(target_n6)
            loss_n6 = policy.head.loss(y_nH, target_n6, last_n6, watch=watcher)
            if not torch.isfinite(loss_n6).all():
                raise ExphilError("the model gives chances that are no numbers: its weights are damaged")
            greedy_n6 = policy.head.sample(y_nH, last_n6, temperature=0)
            drawn_n6 = policy.head.sample(y_nH, last_n6, generator=generator)
            sums.add(
                _Decisions(
                    runs=Runs.of(step.game[lane]),
                    game_n=step.game[lane],
                    target_n6=step.batch.target[lane, frame],
                    last_n6=step.batch.decided[lane, frame],
                    loss_n6=loss_n6.cpu().numpy().astype(np.float64),
                    watched=watcher.watched(),
                    greedy_n6=greedy_n6.cpu().numpy().astype(np.uint8),
                    drawn_n6=drawn_n6.cpu().numpy().astype(np.uint8),
                    groups=_groups(step, lane, frame),
                )
            )
        done += step.batch.counts.size
        advance(done)
    policy.train(was_training)
    return Scores(units=sums.units, games=sums.games, seen=sums.seen, heat=sums.heat)


def _at_once(policy: Policy, tensors: TensorBatch, state: State) -> tuple[Tensor, State]:
    """Outputs (B, T, H) of embedding and backbone, and the state after the last frame."""
    result: tuple[Tensor, State] = policy.backbone(policy.embedding(tensors.floats, tensors.ids), state)
    return result


def _streamed(policy: Policy, tensors: TensorBatch, state: State) -> tuple[Tensor, State]:
    """The same, frame by frame."""
    outputs = []
    for t in range(tensors.floats.shape[1]):
        y_BH, state = policy.frame(tensors.floats[:, t], tensors.ids[:, t], state)
        outputs.append(y_BH)
    return torch.stack(outputs, dim=1), state


def _groups(step: EvalStep, lane: Longs, frame: Longs) -> dict[str, Longs]:
    """Which group of each dimension every decision is in, (n,) each."""
    own, opponent = np.minimum(step.character[lane, frame], characters.UNKNOWN_INTERNAL).T
    places = {
        "character": own,
        "opponent": opponent,
        "stage": np.minimum(step.stage[lane], stages.UNKNOWN_INTERNAL),
        "situation": step.situation[lane, frame],
    }
    return {name: place.astype(np.int64) for name, place in places.items()}


@attrs.frozen(kw_only=True, eq=False)
class _Decisions:
    """The decisions of a batch."""

    runs: Runs
    game_n: Longs
    target_n6: Cells
    last_n6: Cells
    loss_n6: npt.NDArray[np.float64]
    watched: Watched
    greedy_n6: Cells
    drawn_n6: Cells
    groups: dict[str, Longs]


class _Sums:
    def __init__(self, hashes: Sequence[str], prior: ControllerPrior) -> None:
        self.units, self.games = UnitSums(unit_of_games(hashes)), UnitSums(np.arange(len(hashes)))
        self.seen = {name: np.zeros((len(hashes), size), bool) for name, size in DIMENSIONS.items()}
        self._prior = prior
        self.heat = np.zeros((len(STICKS), 2, HEAT_CELLS, HEAT_CELLS), np.int64)

    def add(self, batch: _Decisions) -> None:
        """Count a batch's decisions."""
        moved_n6 = batch.target_n6 != batch.last_n6
        changed_n = moved_n6.any(axis=1)
        loss_nG = np.zeros((len(changed_n), len(GROUPS)))
        for part, group in enumerate(PART_GROUPS):
            loss_nG[:, group] += batch.loss_n6[:, part]
        self._losses(batch, changed_n, loss_nG)
        self._accuracy(batch, changed_n, moved_n6)
        self._buttons(batch)
        self._sticks(batch, moved_n6)
        self._calibration(batch)
        self._breakdown(batch, changed_n, loss_nG)

    def _add(self, name: str, batch: _Decisions, values: npt.NDArray[Any]) -> None:
        self.units.add(name, batch.runs, batch.runs.summed(values))

    def _losses(self, batch: _Decisions, changed_n: npt.NDArray[Any], loss_nG: npt.NDArray[Any]) -> None:
        runs = batch.runs
        losses = {
            "model": loss_nG,
            "repeat": self._prior.repeat_loss(batch.target_n6, batch.last_n6),
            "marginal": self._prior.marginal_loss(batch.target_n6),
        }
        # Of all decisions, of those that change.
        frames = runs.summed(np.stack([np.ones(len(changed_n)), changed_n], axis=1))
        for sums in (self.units, self.games):
            sums.add("frames", runs, frames)
        for name, each_nG in losses.items():
            both = runs.summed(np.stack([each_nG, each_nG * changed_n[:, None]], axis=1))
            for sums in (self.units, self.games):
                sums.add(name, runs, both)

    def _accuracy(
        self, batch: _Decisions, changed_n: npt.NDArray[np.bool_], moved_n6: npt.NDArray[np.bool_]
    ) -> None:
        rank_n6 = batch.watched.rank_n6
        for name, right_n6 in (("right", rank_n6 == 0), ("top3", rank_n6 < 3)):
            self._add(name, batch, np.stack([right_n6, right_n6 & moved_n6], axis=1))
        self._add("moved", batch, moved_n6)
        for name, cells_n6 in (("greedy", batch.greedy_n6), ("drawn", batch.drawn_n6)):
            same_n = (cells_n6 == batch.target_n6).all(axis=1)
            changes_n = (cells_n6 != batch.last_n6).any(axis=1)
            self._add(name, batch, np.stack([same_n, same_n & changed_n, changes_n], axis=1))

    def _buttons(self, batch: _Decisions) -> None:
        chance_nK, now_nK, before_nK = batch.watched.held_nK, held(batch.target_n6), held(batch.last_n6)
        self._add("held", batch, np.stack([now_nK, chance_nK], axis=1))
        count, bins = len(BUTTONS), len(PRESS) - 1
        chance_nB, up_nB = chance_nK[:, :count], ~before_nK[:, :count]
        pressed_nB = now_nK[:, :count] & up_nB
        place_nB = np.arange(count) * bins + bin_of(chance_nB, PRESS)
        place_nB = np.where(up_nB, place_nB, -1)
        sums = batch.runs.counted(place_nB, count * bins, (None, chance_nB, pressed_nB))
        self.units.add("press", batch.runs, sums.reshape(-1, count, bins, 3))

    def _sticks(self, batch: _Decisions, moved_n6: npt.NDArray[np.bool_]) -> None:
        predicted = {"greedy": batch.greedy_n6, "drawn": batch.drawn_n6, "repeat": batch.last_n6}
        for stick, (x, y) in enumerate(STICKS.values()):
            moved_n = moved_n6[:, x] | moved_n6[:, y]
            for source, cells_n6 in predicted.items():
                values = stick_sums(batch.target_n6[:, [x, y]], cells_n6[:, [x, y]])
                both = np.stack([values, values * moved_n[:, None]], axis=1)
                self._add(f"stick {stick} {source}", batch, both)
            for whose, cells_n6 in enumerate((batch.target_n6, batch.drawn_n6)):
                place = HEAT_OF_AXIS[cells_n6[:, y]] * HEAT_CELLS + HEAT_OF_AXIS[cells_n6[:, x]]
                counts = np.bincount(place, minlength=HEAT_CELLS**2)
                self.heat[stick, whose] += counts.reshape(HEAT_CELLS, HEAT_CELLS)

    def _calibration(self, batch: _Decisions) -> None:
        sure_n6, bins = batch.watched.sure_n6, len(SURE) - 1
        parts = sure_n6.shape[1]
        place_n6 = np.arange(parts) * bins + bin_of(sure_n6, SURE)
        sums = batch.runs.counted(place_n6, parts * bins, (None, sure_n6, batch.watched.rank_n6 == 0))
        self.units.add("sure", batch.runs, sums.reshape(-1, parts, bins, 3))

    def _breakdown(
        self, batch: _Decisions, changed_n: npt.NDArray[np.bool_], loss_nG: npt.NDArray[np.float64]
    ) -> None:
        loss_n = loss_nG.sum(axis=1)
        right_n6 = batch.watched.rank_n6 == 0
        columns = {
            "frames": None,
            "changes": changed_n,
            "loss": loss_n,
            "loss_change": loss_n * changed_n,
            "repeat": self._prior.repeat_loss(batch.target_n6, batch.last_n6).sum(axis=1),
            "buttons_right": right_n6[:, 0],
            "main_right": right_n6[:, MAIN_X] & right_n6[:, MAIN_Y],
            **{group: loss_nG[:, index] for index, group in enumerate(GROUPS)},
        }
        for dimension, size in DIMENSIONS.items():
            self.seen[dimension][batch.game_n, batch.groups[dimension]] = True
            weights = [columns[name] for name in GROUP_COLUMNS]
            sums = batch.runs.counted(batch.groups[dimension], size, weights)
            self.units.add(dimension, batch.runs, sums)
