"""The processes that train one model together, called ranks. Rank 0 leads: it alone writes and speaks.

What is asked of a team is asked by all its ranks, in the same order. `exphil_core.training.distributed` has the team
of more than one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from exphil_core.errors import ExphilError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class RankLost(ExphilError):
    """Another rank is gone: nothing more can be asked of the team."""


@attrs.frozen(kw_only=True)
class Part:
    """One of `count` shares of a work, counted from 0."""

    index: int = 0
    count: int = 1


WHOLE = Part()


class Team:
    """A team of one, which has nobody to ask."""

    rank = 0
    world = 1
    # Among those on the same machine.
    local_rank = 0
    local_world = 1

    @property
    def leads(self) -> bool:
        """Whether this rank writes and speaks."""
        return self.rank == 0

    @property
    def part(self) -> Part:
        """This rank's share of what all ranks do together."""
        return Part(index=self.rank, count=self.world)

    def cache_part(self, folder: Path) -> Part:
        """This rank's share of filling the cache in `folder`, among those that see the same one."""
        return WHOLE

    def uses(self, device: torch.device) -> None:
        """Training is on `device`."""

    def sums(self, values: Sequence[float]) -> list[float]:
        """The sums over ranks of each of `values`, in double precision, the same bits on all."""
        return list(values)

    def heard(self, text: str) -> list[str]:
        """Every rank's text, in their order."""
        return [text]

    def told(self, text: str) -> str:
        """Rank 0's text."""
        return self.heard(text if self.leads else "")[0]

    def collected(self, data: bytes) -> list[bytes]:
        """Every rank's bytes, in their order; on rank 0 alone, the others get nothing."""
        return [data]

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Put the sums over ranks in place of the gradients, the same bits on all."""

    def level(self, tensors: Iterable[Tensor]) -> None:
        """Put rank 0's values in place of `tensors`."""

    def wait(self) -> None:
        """Until all ranks have come here, however long that takes."""

    def leave(self, status: str, reason: str = "") -> None:
        """This rank ends out of turn ("failed" or "interrupted"), and the others learn why. May be called twice."""

    def end(self) -> None:
        """All ranks have come to their end: they go together, so that nobody is cut short."""

    def speaks(self) -> bool:
        """Whether this rank is the one to say how the run ended: of those that ask, the first."""
        return True


ALONE = Team()
