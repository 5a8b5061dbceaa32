"""A policy in play: frames in, the controllers that it decides out, for any number of games at once.

Shapes: n games of a step, P = 2 fighters, E character feature columns of a fighter, C = 6 controller cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from exphil_core.checkpoints.needs import needed_features
from exphil_core.checkpoints.store import load_policy
from exphil_core.errors import ExphilError, UsageError
from exphil_core.features.character import FeatureTracker
from exphil_core.features.encoder import encode
from exphil_core.features.rows import Floats
from exphil_core.features.schema import observation_schema, require_schema
from exphil_core.melee import FIRST_FRAME
from exphil_core.models.blame import blaming
from exphil_core.models.policy import Policy
from exphil_core.plugin_manager import PluginManager, load_plugins
from exphil_core.replays.controller import NEUTRAL, PARTS, Cells
from exphil_core.replays.habits import NO_HABIT, Habits, habit_after
from exphil_core.serving.live_batch import LiveBatch, Longs
from exphil_core.serving.live_frame import LiveFrame
from exphil_core.serving.states import GameStates

# Frames that a source may go back and give again: Slippi rolls back 7 at most.
AGAIN = 7
# Beyond a second without frames a memory of what was before misleads.
LONG_GAP = 60
# Chance alone plays from about 10 on; from some 1e7 on, values that no controller has would be drawn as well.
HOTTEST = 100
_NEVER = -(1 << 40)


class Runner:
    """Plays up to `games` games, one a *lane*. A lane remembers its game: the backbone's state, the controller
    decided last, what character features follow, and how far its draws are.

    Each lane draws with a generator of its own, made of `seed` and the lane's number, so that it gets the same
    whatever other lanes are played with it. Several runners in one process are independent of each other.

    Frame numbers say what a frame is. Frame -123, or one that lies further back than a rollback can reach, starts a
    new game. A frame that was there before (at most 7 back) changes nothing: the last decision is given again. Over
    missing frames the memory goes on; after more than 60 of them the lane starts afresh.

    A lane whose network gives something that isn't finite gets a neutral controller and starts afresh; `not_finite`
    counts how often that happened.
    """

    def __init__(
        self,
        policy: Policy,
        description: Mapping[str, Any] | None = None,
        manager: PluginManager | None = None,
        *,
        games: int = 1,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> None:
        if games < 1:
            raise UsageError(f"games: {games} must be at least 1")
        if not 0 <= temperature <= HOTTEST:
            raise UsageError(
                f"temperature: {temperature:g} must be from 0 (the likeliest controller) to {HOTTEST}"
            )
        self.policy = policy.eval()
        self.description = policy.description if description is None else description
        self._manager = manager or load_plugins()
        self._features = needed_features(self.description, self._manager)
        self._check()
        self.games, self.temperature = games, float(temperature)
        self.not_finite = 0
        self._generators = [np.random.default_rng([seed, lane]) for lane in range(games)]
        with torch.inference_mode(), blaming(self.policy, self._manager):
            self._states = GameStates(self.policy.initial_state(games))
            self._warm_up()
        self._decided: Cells = np.tile(NEUTRAL, (games, 1))
        # Without what was decided last, which may be overridden yet.
        self._habit: Habits = np.full(games, NO_HABIT, np.uint8)
        self._last_frame = np.full(games, _NEVER)
        self._trackers = [self._new_trackers() for _ in range(games)]

    @classmethod
    def load(
        cls,
        path: str | Path,
        manager: PluginManager | None = None,
        *,
        games: int = 1,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> Runner:
        """For the policy in the file at `path`. Raises ExphilError, naming a plugin that is needed and not there."""
        manager = manager or load_plugins()
        policy, description = load_policy(Path(path), manager)
        return cls(policy, description, manager, games=games, temperature=temperature, seed=seed)

    @property
    def delay(self) -> int:
        """Frames between what was seen and what is pressed: see `DelayQueue`."""
        return int(self.description["delay"])

    @property
    def character(self) -> str | None:
        """The one that it was trained to play, None if it was trained on all."""
        return self.description.get("character")

    def step(
        self,
        frames: Sequence[LiveFrame] | LiveBatch,
        own: Sequence[int] | Longs,
        lanes: Sequence[int] | Longs | None = None,
    ) -> Cells:
        """Controllers (n, C) decided after these frames, one of each lane, as the fighters `own` (0 or 1) see them.

        Under a reaction delay of D the one decided after frame t belongs to frame t + 1 + D: who applies them waits.
        `lanes` are the first n if not given; no lane may come twice.
        """
        batch = frames if isinstance(frames, LiveBatch) else LiveBatch.of(frames)
        chosen = self._lanes(len(batch) if lanes is None else lanes)
        side = np.asarray(own, np.int64)
        if not len(batch) == len(chosen) == len(side):
            raise ValueError(f"{len(batch)} frames for {len(chosen)} lanes and {len(side)} sides")
        again = self._follow(batch.frame.astype(np.int64), chosen)
        if again.any():
            new = np.flatnonzero(~again)
            if len(new):
                self._decide(batch.taken(new), side[new], chosen[new])
        else:
            self._decide(batch, side, chosen)
        return self._decided[chosen]

    def reset(self, lanes: Sequence[int] | Longs | None = None) -> None:
        """Back to a game's start, on all lanes if none are given. Draws go on: no two games are the same."""
        chosen = self._lanes(self.games if lanes is None else lanes)
        with torch.inference_mode():
            self._states.reset(chosen)
        self._decided[chosen], self._habit[chosen] = NEUTRAL, NO_HABIT
        self._last_frame[chosen] = _NEVER
        if self._features:
            for lane in chosen.tolist():
                self._trackers[lane] = self._new_trackers()

    def override(self, cells: Cells, lanes: Sequence[int] | Longs | None = None) -> None:
        """Take these controllers (n, C) for the ones decided last, instead of what `step` gave: whoever presses
        something else has to say so, or the policy goes on from what never happened."""
        self._decided[self._lanes(len(cells) if lanes is None else lanes)] = cells

    def _follow(self, frame: Longs, lanes: Longs) -> npt.NDArray[np.bool_]:
        """Start the lanes of new games, and say whose frames were there before."""
        last = self._last_frame[lanes]
        gap = frame - last
        again: npt.NDArray[np.bool_] = (gap <= 0) & (gap >= -AGAIN) & ((frame > FIRST_FRAME) | (gap == 0))
        starts = (last != _NEVER) & ~again & ((gap <= 0) | (gap > LONG_GAP))
        if starts.any():
            self.reset(lanes[starts])
        self._last_frame[lanes] = np.where(again, last, frame)
        return again

    @torch.inference_mode()
    def _decide(self, batch: LiveBatch, own: Longs, lanes: Longs) -> None:
        decided = self._decided[lanes]
        habit = self._habit[lanes] = habit_after(self._habit[lanes], decided, batch.frame + self.delay)
        rows = batch.rows(own, decided, habit, self._tracked(batch, lanes))
        observation = encode(rows)
        floats, ids = torch.from_numpy(observation.floats), torch.from_numpy(observation.ids)
        with blaming(self.policy, self._manager):
            y_nH, state = self.policy.frame(floats, ids, self._states.take(lanes))
        uniform = np.stack([self._generators[lane].random(len(PARTS)) for lane in lanes.tolist()])
        last = torch.from_numpy(rows.decided.astype(np.int64))
        drawn = self.policy.head.sample(
            y_nH, last, temperature=self.temperature, uniform_n6=torch.from_numpy(uniform)
        )
        self._states.put(lanes, state)
        self._decided[lanes] = drawn.numpy()
        finite = torch.isfinite(y_nH).all(dim=1).numpy()
        if not finite.all():
            self._start_afresh(lanes[~finite])

    def _start_afresh(self, lanes: Longs) -> None:
        self.not_finite += len(lanes)
        frames = self._last_frame[lanes]
        self.reset(lanes)
        self._last_frame[lanes] = frames

    def _tracked(self, batch: LiveBatch, lanes: Longs) -> Floats:
        """Character features (n, P, E)."""
        width = sum(len(feature.entry.spec.columns) for feature in self._features)
        values = np.zeros((len(batch), 2, width), np.float32)
        if not self._features:
            return values
        for game, (lane, both) in enumerate(zip(lanes.tolist(), batch.fighters(), strict=True)):
            for who, rows in enumerate(both or ()):
                tracked = zip(self._features, self._trackers[lane][who], strict=True)
                np.concatenate(
                    [feature.track(tracker, rows)[0] for feature, tracker in tracked], out=values[game, who]
                )
        return values

    def _new_trackers(self) -> tuple[list[FeatureTracker], list[FeatureTracker]]:
        return [feature.make() for feature in self._features], [feature.make() for feature in self._features]

    def _lanes(self, lanes: int | Sequence[int] | Longs) -> Longs:
        chosen = np.arange(lanes) if isinstance(lanes, int) else np.asarray(lanes, np.int64)
        if len(chosen) and not (chosen.min() >= 0 and chosen.max() < self.games):
            raise ValueError(f"lanes {chosen.min()} to {chosen.max()} of a runner of {self.games} games")
        if len(np.unique(chosen)) != len(chosen):
            raise ValueError("a lane comes twice in one step")
        return chosen

    def _check(self) -> None:
        """Raise ExphilError unless the policy takes what this ExPhil makes."""
        schema = observation_schema([feature.entry.spec for feature in self._features])
        require_schema(self.description["observation"], schema, "the policy")
        parts = self.description["controller"]["parts"]
        if tuple(parts) != PARTS:
            raise ExphilError(
                f"the policy's controllers have the parts {', '.join(parts)}: update exphil-core"
            )
        for name, tensor in self.policy.state_dict().items():
            if not torch.isfinite(tensor).all():
                raise ExphilError(f"the policy can't be played: its weights {name} are not finite numbers")

    def _warm_up(self) -> None:
        """What a first frame has to prepare, before a game begins."""
        shape = self.policy.shape
        floats, ids = torch.zeros(1, shape.float_count), torch.zeros(1, len(shape.ids), dtype=torch.int64)
        y_1H, _ = self.policy.frame(floats, ids, self.policy.initial_state(1))
        self.policy.head.sample(y_1H, torch.from_numpy(NEUTRAL.astype(np.int64))[None], temperature=0.0)
