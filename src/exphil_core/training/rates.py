"""How often the model presses what, against how often the players did: the first sign of a model that has collapsed.

Both are shares of frames. The model's are its probabilities given what happened before, averaged; nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from exphil_core.melee.controller import BUTTONS
from exphil_core.replays.controller import AXIS_VALUES, CELL_COUNTS, CHORD_BITS, PARTS
from exphil_core.training.team import Team

if TYPE_CHECKING:
    from exphil_core.training.validation import Validation

Shares = dict[str, float]
# A model that presses less than this share of what players press has collapsed to neutral.
COLLAPSED = 0.3
# Too rare in the players' own inputs to say anything.
RARE = 0.002


class RateSums:
    """Running sums of the chances of every value of every controller part."""

    def __init__(self, device: torch.device) -> None:
        self._predicted = [torch.zeros(cells, dtype=torch.float64, device=device) for cells in CELL_COUNTS]
        self._actual = [np.zeros(cells, np.int64) for cells in CELL_COUNTS]

    def watcher(self, counts: Tensor) -> Callable[[int, Tensor], None]:
        """To be shown each part's logits (n, V); `counts` (n,) says which rows count."""
        # In fp64 the CPU would take as long for the sums as for the model.
        shares_n = counts.flatten().float()

        def watch(part: int, logits_nV: Tensor) -> None:
            self._predicted[part] += (shares_n @ torch.softmax(logits_nV, dim=1)).double()

        return watch

    def add(self, target_n6: npt.NDArray[np.uint8]) -> None:
        """Count what the players did."""
        for part, cells in enumerate(CELL_COUNTS):
            self._actual[part] += np.bincount(target_n6[:, part], minlength=cells)

    def share_with(self, team: Team) -> None:
        """Add up what all ranks have counted."""
        predicted = torch.cat(self._predicted).cpu().numpy()
        summed = np.array(team.sums([*predicted, *np.concatenate(self._actual)]))
        bounds = np.cumsum(CELL_COUNTS)[:-1]
        for part, (chances, counts) in enumerate(
            zip(*(np.split(half, bounds) for half in np.split(summed, 2)), strict=True)
        ):
            self._predicted[part] = torch.from_numpy(chances)
            self._actual[part] = counts.astype(np.int64)

    def shares(self) -> dict[str, Shares]:
        """`predicted` and `actual`, each a share of frames by name."""
        predicted = [sums.cpu().numpy() for sums in self._predicted]
        return {"predicted": _named(predicted), "actual": _named(self._actual)}


def _named(sums: list[npt.NDArray[np.float64]] | list[npt.NDArray[np.int64]]) -> Shares:
    parts = {name: sums[part] / max(sums[part].sum(), 1) for part, name in enumerate(PARTS)}
    named = dict(zip(BUTTONS, map(float, CHORD_BITS.T @ parts["buttons"]), strict=True))
    for stick in ("main", "c"):
        for axis, low, high in (("x", "left", "right"), ("y", "down", "up")):
            shares = parts[f"{stick}_{axis}"]
            named[f"{stick} {low}"] = float(shares[AXIS_VALUES < 0].sum())
            named[f"{stick} {high}"] = float(shares[AXIS_VALUES > 0].sum())
    named["shoulder"] = float(parts["shoulder"][1:].sum())
    return named


def collapse_warnings(score: Validation) -> list[str]:
    """What of an epoch's result looks like one of the known failures, one clear line each."""
    found = []
    lost = _lost(score.rates["predicted"], score.rates["actual"])
    if lost:
        found.append(
            f"the model hardly presses {', '.join(lost)}: it is collapsing to neutral (a smaller --lr, less "
            "--weight-decay or --button-weight 2 may help)"
        )
    if score.change_frames and score.val_loss_change >= score.baseline_repeat_change:
        found.append(
            f"on frames where the controller changes the model is no better than repeating the last one "
            f"({score.val_loss_change:.3f} against {score.baseline_repeat_change:.3f} nats): it has only learned to "
            "copy (more epochs, a larger --lr or --controller-dropout 0.2 may help)"
        )
    return found


def _lost(predicted: Mapping[str, float], actual: Mapping[str, float]) -> list[str]:
    return [
        f"{name} ({predicted[name]:.2%} of frames, players {share:.2%})"
        for name, share in actual.items()
        if share > RARE and predicted[name] < COLLAPSED * share
    ]
