"""Frames of several games at once, in columns: what an observation is made of, whatever source the frames came from.

Shapes: n games, P = 2 fighters in the source's order, F state columns, C = 6 controller cells, S = 2 sides of a
stage, M items of all games.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.features.character import FighterRows
from exphil_core.features.rows import Floats, Rows, SeenItems
from exphil_core.melee.stages import BY_INTERNAL
from exphil_core.replays.controller import Cells
from exphil_core.replays.game import NO_ACTION
from exphil_core.replays.habits import Habits
from exphil_core.replays.items import ItemRows, no_items
from exphil_core.serving.live_frame import FOUNTAIN, LiveFrame

Longs = npt.NDArray[np.int64]
_NOTHING, _NOT_KNOWN = no_items(1, known=True), no_items(1)


@attrs.frozen(kw_only=True, eq=False)
class LiveItems:
    """Items, those of one game beside each other and the newest last. `game` says whose; `known` of which games
    anything is known."""

    game: Longs  # (M,), never falls
    owner: npt.NDArray[np.int8]  # (M,), 0 or 1 in the order of the fighters
    type: npt.NDArray[np.int32]  # (M,)
    state: npt.NDArray[np.uint8]  # (M,)
    x: Floats  # (M,)
    y: Floats  # (M,)
    vx: Floats  # (M,)
    vy: Floats  # (M,)
    timer: Floats  # (M,)
    spawn_id: Longs  # (M,)
    known: npt.NDArray[np.bool_]  # (n,)


_OF_ITEMS = tuple(field.name for field in attrs.fields(LiveItems) if field.name not in ("game", "known"))


@attrs.frozen(kw_only=True, eq=False)
class LiveBatch:
    """One frame of each of n games. See `exphil_core.replays.game.Game` for the columns."""

    frame: npt.NDArray[np.int32]  # (n,)
    stage: npt.NDArray[np.uint8]  # (n,)
    state: Floats  # (n, P, F)
    action: npt.NDArray[np.int16]  # (n, P)
    character: npt.NDArray[np.uint8]  # (n, P)
    controller: Cells  # (n, P, C)
    partner_state: Floats  # (n, P, F)
    partner_action: npt.NDArray[np.int16]  # (n, P)
    platform: Floats  # (n, S)
    form: npt.NDArray[np.uint8]  # (n,)
    items: LiveItems

    def __len__(self) -> int:
        return len(self.frame)

    @classmethod
    def of(cls, frames: Sequence[LiveFrame]) -> LiveBatch:
        """The same frames, in columns."""

        def stacked(name: str) -> npt.NDArray[Any]:
            return np.stack([getattr(frame, name) for frame in frames])

        return cls(
            frame=np.array([frame.frame for frame in frames], np.int32),
            stage=np.array([frame.stage for frame in frames], np.uint8),
            state=stacked("state_PF"),
            action=stacked("action_P"),
            character=stacked("character_P"),
            controller=stacked("controller_PC"),
            partner_state=stacked("partner_state_PF"),
            partner_action=stacked("partner_action_P"),
            platform=stacked("platform_S"),
            form=np.array([frame.form for frame in frames], np.uint8),
            items=_items(frames),
        )

    def taken(self, games: Longs) -> LiveBatch:
        """Some of the games, in that order."""
        place = np.full(len(self), -1)
        place[games] = np.arange(len(games))
        kept = np.flatnonzero(place[self.items.game] >= 0)
        kept = kept[np.argsort(place[self.items.game[kept]], kind="stable")]
        columns: dict[str, Any] = {name: getattr(self.items, name)[kept] for name in _OF_ITEMS}
        items = LiveItems(
            game=place[self.items.game[kept]].astype(np.int64), known=self.items.known[games], **columns
        )
        arrays = {
            field.name: getattr(self, field.name)[games]
            for field in attrs.fields(LiveBatch)
            if field.name != "items"
        }
        return LiveBatch(items=items, **arrays)

    def rows(self, own: Longs, decided: Cells, habit: Habits, features: Floats) -> Rows:
        """Rows (n,) as the fighters `own` (n,) see them, given the controllers decided last (n, C), the habits with
        them (n,) and character features (n, P, E) in the order of the fighters."""
        own_first = (np.arange(len(self))[:, None], np.stack([own, 1 - own], axis=1))
        partners = bool((self.partner_action != NO_ACTION).any())
        items = self.items
        columns: dict[str, Any] = {
            name: getattr(items, name) for name in ("type", "state", "x", "y", "vx", "vy", "timer")
        }
        return Rows(
            frame=self.frame,
            stage=self.stage,
            state=self.state[own_first],
            action=self.action[own_first],
            character=self.character[own_first],
            decided=decided,
            habit=habit,
            features=features[own_first],
            partner_state=self.partner_state[own_first] if partners else None,
            partner_action=self.partner_action[own_first] if partners else None,
            platform=self.platform if (self.stage == FOUNTAIN).any() else None,
            form=self.form,
            items=SeenItems(
                frame=items.game,
                owner=(items.owner ^ own[items.game]).astype(np.int8),
                known=items.known,
                **columns,
            ),
        )

    def fighters(self) -> list[tuple[FighterRows, FighterRows] | None]:
        """What trackers of character features follow, of each game: both fighters. None on a stage that no model is
        trained on."""
        bounds = np.searchsorted(self.items.game, np.arange(len(self) + 1)).tolist()
        found: list[tuple[FighterRows, FighterRows] | None] = []
        for game in range(len(self)):
            stage = BY_INTERNAL.get(int(self.stage[game]))
            if stage is None:
                found.append(None)
                continue
            items = self._items_of(game, bounds[game], bounds[game + 1])
            one = slice(game, game + 1)
            first, second = (
                FighterRows(
                    state=self.state[one, who],
                    action=self.action[one, who],
                    character=self.character[one, who],
                    opponent_state=self.state[one, 1 - who],
                    opponent_action=self.action[one, 1 - who],
                    opponent_character=self.character[one, 1 - who],
                    stage=stage,
                    items=items.seen_by(who),
                )
                for who in (0, 1)
            )
            found.append((first, second))
        return found

    def _items_of(self, game: int, start: int, stop: int) -> ItemRows:
        if not self.items.known[game]:
            return _NOT_KNOWN
        if start == stop:
            return _NOTHING
        columns: dict[str, Any] = {name: getattr(self.items, name)[start:stop] for name in _OF_ITEMS}
        return ItemRows(offset=np.array([0, stop - start]), **columns)


def _items(frames: Sequence[LiveFrame]) -> LiveItems:
    found = [(game, item) for game, frame in enumerate(frames) for item in frame.items or ()]

    def column(name: str, dtype: type) -> Any:
        return np.array([getattr(item, name) for _, item in found], dtype)

    return LiveItems(
        game=np.array([game for game, _ in found], np.int64),
        owner=column("owner", np.int8),
        type=column("type", np.int32),
        state=column("state", np.uint8),
        x=column("x", np.float32),
        y=column("y", np.float32),
        vx=column("vx", np.float32),
        vy=column("vy", np.float32),
        timer=column("timer", np.float32),
        spawn_id=column("spawn_id", np.int64),
        known=np.array([frame.items is not None for frame in frames], bool),
    )
