"""Character features: columns that a plugin adds to the observation, and how they are computed.

A plugin's `CharacterFeatureSpec.factory` makes one tracker for each fighter of each game.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.errors import ExphilError
from exphil_core.melee.characters import UNKNOWN_INTERNAL
from exphil_core.melee.stages import Stage
from exphil_core.plugin_manager import PluginManager, Registered
from exphil_core.replays.game import STATE, Game
from exphil_core.replays.items import ItemRows, no_items
from exphil_core.wording import one_line


@attrs.frozen(kw_only=True, eq=False)
class FighterRows:
    """Consecutive frames of one fighter (T of them) and of the opponent. See `Game` for the columns."""

    state: npt.NDArray[np.float32]  # (T, F), NaN where the replay doesn't say
    action: npt.NDArray[np.int16]  # (T,), Melee's action ids
    character: npt.NDArray[np.uint8]  # (T,), internal ids
    opponent_state: npt.NDArray[np.float32]  # (T, F)
    opponent_action: npt.NDArray[np.int16]  # (T,)
    stage: Stage
    # (T,), internal ids; unknown if not given.
    opponent_character: npt.NDArray[np.uint8] = attrs.field(
        default=attrs.Factory(
            lambda self: np.full(len(self.action), UNKNOWN_INTERNAL, np.uint8), takes_self=True
        )
    )
    # Of both fighters; owner 0 is this one. Unknown if not given.
    items: ItemRows = attrs.field(
        default=attrs.Factory(lambda self: no_items(len(self.action)), takes_self=True)
    )

    def column(self, name: str) -> npt.NDArray[np.float32]:
        """The fighter's own state column `name`, say "x" or "facing"."""
        return self.state[:, STATE[name]]


class FeatureTracker(Protocol):
    """Follows one fighter through one game."""

    def update(self, rows: FighterRows) -> npt.NDArray[np.float32]:
        """Float32 (T, columns) for the next T frames. State is kept from call to call: a whole game at once and
        one frame at a time give the same values."""
        ...


@attrs.frozen
class ActiveFeature:
    """A feature that a run uses, ready to make trackers."""

    entry: Registered
    factory: Callable[[], FeatureTracker]

    def make(self) -> FeatureTracker:
        """A tracker for one fighter of one game. Raises ExphilError, naming the plugin, if its factory fails."""
        try:
            return self.factory()
        except Exception as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> ExphilError:
        who = f"plugin {self.entry.origin.distribution}: feature {self.entry.spec.name}"
        return ExphilError(f"{who} failed ({one_line(f'{type(error).__name__}: {error}')})")

    @property
    def block(self) -> str:
        """What its columns are called among the arrays of a game."""
        return f"feature {self.entry.spec.name}"

    @cached_property
    def _range(self) -> npt.NDArray[np.float32]:
        """What each column may be at least and at most, (2, columns)."""
        columns = self.entry.spec.columns
        return np.array([[c.low for c in columns], [c.high for c in columns]], np.float32)

    def track(self, tracker: FeatureTracker, rows: FighterRows) -> npt.NDArray[np.float32]:
        """The tracker's columns for `rows`, checked: shape, finite, inside the range that the spec promises."""
        spec, origin = self.entry.spec, self.entry.origin.distribution
        try:
            values = np.asarray(tracker.update(rows), np.float32)
        except Exception as error:
            raise self._failed(error) from error
        expected = (len(rows.action), len(spec.columns))
        if values.shape != expected:
            raise ExphilError(
                f"plugin {origin}: feature {spec.name} gave an array of {values.shape}, not {expected}"
            )
        low, high = self._range
        inside = (values >= low) & (values <= high)
        if not inside.all():
            column_at = int(np.argmin(inside.all(axis=0)))
            column = spec.columns[column_at]
            culprit = values[~inside[:, column_at], column_at][0]
            raise ExphilError(
                f"plugin {origin}: feature {spec.name} gave {culprit:g} for {column.name}, outside "
                f"{column.low:g} to {column.high:g}"
            )
        return values


def active_features(manager: PluginManager, names: Sequence[str]) -> tuple[ActiveFeature, ...]:
    """The features called `names`, with their factories imported."""
    entries = [manager.get("exphil_character_features", name) for name in names]
    for entry in entries:
        if not entry.spec.columns:
            who = f"plugin {entry.origin.distribution}: feature {entry.spec.name}"
            raise ExphilError(f"{who} has no columns; update or uninstall it")
    return tuple(ActiveFeature(e, manager.load(e.spec.factory, e.origin)) for e in entries)


def fighter_rows(game: Game, fighter: int) -> FighterRows:
    """All frames of one fighter of `game` (0 or 1)."""
    return FighterRows(
        state=game.state_TPF[:, fighter],
        action=game.action_TP[:, fighter],
        character=game.character_TP[:, fighter],
        opponent_state=game.state_TPF[:, 1 - fighter],
        opponent_action=game.action_TP[:, 1 - fighter],
        opponent_character=game.character_TP[:, 1 - fighter],
        stage=game.info.stage,
        items=game.items.seen_by(fighter),
    )


def game_features(game: Game, features: Sequence[ActiveFeature]) -> npt.NDArray[np.float32]:
    """Float32 (T, P, E): every feature's columns for both fighters."""
    both = [
        np.concatenate(
            [
                np.zeros((len(game), 0), np.float32),
                *(feature.track(feature.make(), fighter_rows(game, fighter)) for feature in features),
            ],
            axis=1,
        )
        for fighter in (0, 1)
    ]
    return np.stack(both, axis=1)


def feature_flip(features: Sequence[ActiveFeature]) -> npt.NDArray[np.float32]:
    """-1 for each feature column whose sign flips in a mirror, 1 for the others: (E,)."""
    return np.array([-1 if c.mirrored else 1 for f in features for c in f.entry.spec.columns], np.float32)
