"""Which games are played: characters, stages and sides, all decided by a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

import attrs

from exphil_core.errors import UsageError
from exphil_core.melee import FRAMES_PER_SECOND
from exphil_core.melee.characters import Character
from exphil_core.melee.stages import Stage
from exphil_core.sandbox.game import Setup
from exphil_core.sandbox.make import started_at

LONGEST_MINUTES = 60.0


@attrs.frozen(kw_only=True)
class Match:
    """Game `number` of a seed; `seat` (0 or 1, in port order) is the tested player's."""

    seed: int
    number: int
    seat: int
    setup: Setup

    @property
    def file_name(self) -> str:
        """Such as play_s1_0003_fox-marth_FD.slp, the tested player's character first."""
        own, other = (self.setup.characters[seat].name for seat in (self.seat, 1 - self.seat))
        return f"play_s{self.seed}_{self.number:04d}_{own}-{other}_{self.setup.stage.short}.slp"

    @property
    def started_at(self) -> str:
        """A made-up date that grows with the seed and the game's number."""
        return started_at(self.seed, self.number)

    def rng(self, purpose: str) -> random.Random:
        """A generator of its own for each purpose, the same on every platform."""
        return random.Random(f"exphil-play/{self.seed}/{self.number}/{purpose}")


def plan_matches(
    *,
    seed: int,
    games: int,
    minutes: float,
    own: Sequence[Character],
    others: Sequence[Character],
    stages: Sequence[Stage],
) -> list[Match]:
    """`games` matches of at most `minutes` each. The tested player's characters and sides take turns, the opponent's
    characters and the stages are drawn. Game i does not depend on `games`."""
    if not 0 < minutes <= LONGEST_MINUTES:
        raise UsageError(f"minutes must be above 0 and at most {LONGEST_MINUTES:g}, not {minutes:g}")
    matches = []
    for number in range(games):
        rng = random.Random(f"exphil-play/{seed}/{number}/match")
        seat = number % 2
        mine = own[number // 2 % len(own)]
        theirs = others[int(rng.random() * len(others))]
        setup = Setup(
            stage=stages[int(rng.random() * len(stages))],
            characters=(theirs, mine) if seat else (mine, theirs),
            last_frame=int(minutes * 60 * FRAMES_PER_SECOND),
            seed=int(rng.random() * 0x10000),
        )
        matches.append(Match(seed=seed, number=number, seat=seat, setup=setup))
    return matches
