"""All frames of a run's games side by side in memory, and the batches cut out of them.

A sample at row t pairs the observation of frame t with the controller of row t+1+D, D being the reaction delay;
the "decided" controller is that of row t+D. Shapes: N rows of all games, P = 2 fighters in port order, B lanes,
T frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.features.character import ActiveFeature, feature_flip, game_features
from exphil_core.features.encoder import Observation, Rows, encode, mirror_rows
from exphil_core.replays.controller import Cells
from exphil_core.replays.controller import mirror as mirror_cells
from exphil_core.replays.filters import target_rows
from exphil_core.replays.game import Game


@attrs.frozen(kw_only=True)
class Side:
    """One fighter's view of one game: rows `start` to `stop` of the store, of which each is an observation with a
    controller to predict (the last 1+D rows of the game have none)."""

    game: int
    fighter: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@attrs.frozen(kw_only=True, eq=False)
class Batch:
    """What one step sees. `counts` says which of its frames are examples; the others are padding or idle."""

    observation: Observation  # floats (B, T, O), ids (B, T, 5)
    decided: Cells  # (B, T, 6)
    target: Cells  # (B, T, 6)
    counts: npt.NDArray[np.bool_]  # (B, T)


@attrs.frozen(kw_only=True, eq=False)
class FrameStore:
    """Frames of many games, one after the other."""

    state: npt.NDArray[np.float32]  # (N, P, F)
    action: npt.NDArray[np.int16]  # (N, P)
    character: npt.NDArray[np.uint8]  # (N, P)
    controller: Cells  # (N, P, 6)
    features: npt.NDArray[np.float32]  # (N, P, E)
    stage: npt.NDArray[np.uint8]  # (N,)
    example: npt.NDArray[np.bool_]  # (N, P): this row's controller is one to imitate
    feature_flip: npt.NDArray[np.float32]  # (E,)
    sides: tuple[Side, ...]
    delay: int

    def examples(self, side: Side) -> npt.NDArray[np.bool_]:
        """Which rows of `side` have a controller to imitate, (rows,)."""
        first = side.start + 1 + self.delay
        return self.example[first : first + len(side), side.fighter]

    def example_count(self) -> int:
        """Number of examples on all sides."""
        return int(sum(self.examples(side).sum() for side in self.sides))

    def targets(self) -> tuple[Cells, Cells]:
        """All controllers to imitate (n, 6), and the ones decided just before them (n, 6)."""
        wanted, before = [], []
        for side in self.sides:
            rows = np.flatnonzero(self.examples(side)) + side.start + 1 + self.delay
            wanted.append(self.controller[rows, side.fighter])
            before.append(self.controller[rows - 1, side.fighter])
        return np.concatenate(wanted), np.concatenate(before)

    def batch(
        self,
        rows: npt.NDArray[np.int64],
        fighter: npt.NDArray[np.int64],
        present: npt.NDArray[np.bool_],
        mirrored: npt.NDArray[np.bool_] | None = None,
    ) -> Batch:
        """Samples at `rows` (B, T) as `fighter` (B,) sees them; where `present` (B, T) is false the row is padding
        and only has to exist. Lanes where `mirrored` (B,) is true are seen in a mirror."""
        own = fighter[:, None]
        order = np.stack([own, 1 - own], axis=-1)  # (B, 1, P)
        each = rows[..., None]
        target_row = rows + 1 + self.delay
        seen = Rows(
            state=self.state[each, order],
            action=self.action[each, order],
            character=self.character[each, order],
            stage=self.stage[rows],
            decided=self.controller[target_row - 1, own],
            features=self.features[each, order],
            feature_flip=self.feature_flip,
        )
        target = self.controller[target_row, own]
        if mirrored is not None and mirrored.any():
            seen, target = _some_mirrored(seen, target, mirrored)
        return Batch(
            observation=encode(seen),
            decided=seen.decided,
            target=target,
            counts=self.example[target_row, own] & present,
        )


def _some_mirrored(rows: Rows, target: Cells, lanes: npt.NDArray[np.bool_]) -> tuple[Rows, Cells]:
    flipped = mirror_rows(rows)

    def chosen(normal: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.where(lanes.reshape(-1, *[1] * (normal.ndim - 1)), other, normal)

    mixed = attrs.evolve(
        rows,
        state=chosen(rows.state, flipped.state),
        action=chosen(rows.action, flipped.action),
        decided=chosen(rows.decided, flipped.decided),
        features=chosen(rows.features, flipped.features),
        mirrored=np.broadcast_to(lanes[:, None], rows.stage.shape),
    )
    return mixed, np.where(lanes[:, None, None], mirror_cells(target), target)


def build_store(
    games: Sequence[Game],
    sides: Sequence[Sequence[int]],
    *,
    features: Sequence[ActiveFeature] = (),
    delay: int = 0,
    drop_idle: bool = True,
) -> FrameStore:
    """Put `games` side by side; `sides[g]` are the fighters of game g to imitate."""
    starts = np.cumsum([0, *(len(game) for game in games)])
    views = [
        Side(game=g, fighter=fighter, start=int(starts[g]), stop=int(starts[g + 1]) - 1 - delay)
        for g, fighters in enumerate(sides)
        for fighter in fighters
        if len(games[g]) > 1 + delay
    ]
    example = [np.stack([target_rows(game, p, drop_idle) for p in (0, 1)], axis=1) for game in games]
    return FrameStore(
        state=np.concatenate([game.state_TPF for game in games]),
        action=np.concatenate([game.action_TP for game in games]),
        character=np.concatenate([game.character_TP for game in games]),
        controller=np.concatenate([game.controller_TPC for game in games]),
        features=np.concatenate([game_features(game, features) for game in games]),
        stage=np.concatenate([np.full(len(game), game.info.stage.internal, np.uint8) for game in games]),
        example=np.concatenate(example),
        feature_flip=feature_flip(features),
        sides=tuple(views),
        delay=delay,
    )
