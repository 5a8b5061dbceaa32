"""Samples as a model gets them: encoded, and of some lanes seen in a mirror, with other buttons of the same use, or
without what may be unknown.

Shapes: P = 2 fighters, B lanes, T frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.features.augment import Augmenter
from exphil_core.features.encoder import Observation, encode
from exphil_core.features.rows import Rows, SeenItems
from exphil_core.replays.controller import Cells, swap_twins
from exphil_core.replays.controller import mirror as mirror_cells
from exphil_core.replays.habits import swap_habits
from exphil_core.training.samples import Block, Frames, own_first


@attrs.frozen(kw_only=True, eq=False)
class Batch:
    """What one step sees. `counts` says which of its frames are examples; the others are padding or idle. `weight` is
    how much those of a lane count in training."""

    observation: Observation  # floats (B, T, O), ids (B, T, I)
    decided: Cells  # (B, T, 6)
    target: Cells  # (B, T, 6)
    counts: npt.NDArray[np.bool_]  # (B, T)
    weight: npt.NDArray[np.float32]  # (B,)


def encoded(frames: Frames, features: Sequence[Block], augmenter: Augmenter) -> Batch:
    """What a model gets of `frames`, which hold the blocks `features`.

    The decided controller stays in `decided` where it is hidden from view: the policy head starts from repeating it,
    in play as in training.
    """
    if frames.swapped.any():
        # Nothing else that a model sees tells which of the two it was.
        frames = attrs.evolve(
            frames,
            decided=swap_twins(frames.decided, frames.swapped),
            target=swap_twins(frames.target, frames.swapped),
            habit=swap_habits(frames.habit, frames.swapped),
        )
    observation = encode(seen_rows(frames, features))
    decided, target = frames.decided, frames.target
    if frames.mirrored.any():
        augmenter.mirror(observation, frames.mirrored)
        lanes = frames.mirrored[:, None, None]
        decided, target = (np.where(lanes, mirror_cells(cells), cells) for cells in (decided, target))
    if frames.hidden.any():
        augmenter.hide(observation, frames.hidden)
    return Batch(
        observation=observation, decided=decided, target=target, counts=frames.counts, weight=frames.weight
    )


def seen_rows(frames: Frames, features: Sequence[Block]) -> Rows:
    """`frames` with each lane's own fighter first."""
    own, rows, blocks = frames.fighter, frames.rows, frames.blocks

    def ours(name: str) -> npt.NDArray[Any] | None:
        return own_first(blocks[name], own) if name in blocks else None

    none = np.zeros((*rows.shape, 2, 0), np.float32)
    return Rows(
        frame=frames.frame,
        stage=np.repeat(frames.stage[:, None], rows.shape[1], axis=1),
        state=own_first(rows["state"], own),
        action=own_first(rows["action"], own),
        character=own_first(rows["character"], own),
        decided=frames.decided,
        habit=frames.habit,
        features=own_first(np.concatenate([none, *(blocks[f.name] for f in features)], axis=-1), own),
        partner_state=ours("partner_state_TPF"),
        partner_action=ours("partner_action_TP"),
        platform=blocks.get("platform_TS"),
        form=blocks.get("form_T"),
        items=_seen_items(frames),
    )


def _seen_items(frames: Frames) -> SeenItems:
    items, records, width = frames.items, frames.items.records, frames.rows.shape[1]
    return SeenItems(
        frame=items.lane * width + items.frame,
        owner=(records["owner"] ^ frames.fighter[items.lane]).astype(np.int8),
        known=np.repeat(items.known[:, None], width, axis=1),
        **{name: records[name] for name in ("type", "state", "x", "y", "vx", "vy", "timer")},
    )
