"""Many games side by side, frame after frame, until all are over."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import attrs

from exphil_core.melee import FIRST_FRAME
from exphil_core.playing.matches import Match
from exphil_core.playing.outcome import GameResult, Tally
from exphil_core.playing.view import Player, View
from exphil_core.sandbox import NEUTRAL, Controller, Game, GameState
from exphil_core.sandbox.fighter import STOCKS
from exphil_core.sandbox.slp import METHOD_GAME, METHOD_TIME, ReplayWriter
from exphil_core.sandbox.start_block import Label

Pads = tuple[Controller, Controller]
Keep = Callable[[Match, bytes], None]
Watch = Callable[[Match, GameState, Pads], None]
_LONGEST_NAME = 15


@attrs.define(eq=False, kw_only=True)
class _Table:
    """A game that is being played."""

    match: Match
    game: Game
    tally: Tally
    writer: ReplayWriter | None
    state: GameState | None = None
    pads: Pads = (NEUTRAL, NEUTRAL)

    def step(self, own: Controller, other: Controller) -> GameState:
        self.pads = (other, own) if self.match.seat else (own, other)
        self.state = state = self.game.step(self.pads)
        self.tally.add(state)
        if self.writer is not None:
            self.writer.add(state, self.pads)
        return state

    def share(self) -> float:
        """How much of the game is over, by its time or its stocks."""
        assert self.state is not None
        last, frame = self.match.setup.last_frame, self.state.frame
        time = (frame - FIRST_FRAME + 1) / (last - FIRST_FRAME + 1)
        return max(time, 1 - min(f.stocks for f in self.state.fighters) / STOCKS)


class Games:
    """Plays `matches` between `own` (on the seat that each match says) and `other`, up to `batch` at a time.

    Iterating gives results in the order in which games end. `keep` gets each game's replay, `watch` every frame.
    """

    def __init__(
        self,
        matches: Sequence[Match],
        own: Player,
        other: Player,
        *,
        batch: int,
        keep: Keep | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._matches, self._own, self._other, self._batch = matches, own, other, batch
        self._keep, self._watch = keep, watch
        self.frames = 0
        self._done = 0
        self._tables: list[_Table] = []

    def progress(self) -> float:
        """Games that are over, and the shares of those under way."""
        return self._done + sum(table.share() for table in self._tables if table.state is not None)

    def __iter__(self) -> Iterator[GameResult | None]:
        """Each game's result when it ends; None after each other frame, for whoever counts."""
        waiting = iter(self._matches)
        self._tables = tables = [self._table(match) for match in itertools.islice(waiting, self._batch)]
        while tables:
            self._play_frame(tables)
            yield None
            over = [table for table in tables if table.game.over]
            for table in over:
                tables.remove(table)
                self._done += 1
                yield self._finish(table)
            for match in itertools.islice(waiting, self._batch - len(tables)):
                tables.append(self._table(match))

    def _play_frame(self, tables: list[_Table]) -> None:
        """The first frame of a game shows nothing yet: both controllers are neutral in it."""
        started = [table for table in tables if table.state is not None]
        view = View(
            matches=[table.match for table in started],
            states=[table.state for table in started if table.state is not None],
            pads=[table.pads for table in started],
        )
        for table in tables:
            if table.state is None:
                self._step(table, NEUTRAL, NEUTRAL)
        if started:
            pads = zip(started, self._own.act(view), self._other.act(view), strict=True)
            for table, own, other in pads:
                self._step(table, own, other)

    def _step(self, table: _Table, own: Controller, other: Controller) -> None:
        state = table.step(own, other)
        self.frames += 1
        if self._watch is not None:
            self._watch(table.match, state, table.pads)

    def _table(self, match: Match) -> _Table:
        self._own.begin(match, match.seat)
        self._other.begin(match, 1 - match.seat)
        return _Table(
            match=match,
            game=Game(match.setup),
            tally=Tally(match),
            writer=self._writer(match) if self._keep is not None else None,
        )

    def _writer(self, match: Match) -> ReplayWriter:
        names = [self._own.name, self._other.name]
        players = names[::-1] if match.seat else names
        labels = [
            Label(_printable(name), f"PLAY#{port}{seat}")
            for seat, (name, port) in enumerate(zip(players, match.setup.ports, strict=True))
        ]
        return ReplayWriter(match.setup, (labels[0], labels[1]), match.setup.seed)

    def _finish(self, table: _Table) -> GameResult:
        match, game, state = table.match, table.game, table.state
        assert state is not None
        if table.writer is not None and self._keep is not None:
            method = METHOD_TIME if state.frame >= match.setup.last_frame else METHOD_GAME
            self._keep(match, table.writer.finish(game.winner, method, match.started_at))
        return table.tally.result(state, game.winner)


def _printable(name: str) -> str:
    """A name that fits into a replay: 15 characters, those that Melee's font has."""
    return name.encode("ascii", "replace").decode()[:_LONGEST_NAME]
