"""Players by their names: the sandbox's own, chance, or a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from exphil_core.checkpoints.find_model import find_policy
from exphil_core.errors import ExphilError, did_you_mean
from exphil_core.models.prior import ControllerPrior
from exphil_core.playing.chance import Chance, scripted_frequencies
from exphil_core.playing.scripted import Scripted
from exphil_core.playing.view import Player
from exphil_core.plugin_manager import PluginManager

if TYPE_CHECKING:
    from exphil_core.playing.model import Model

SCRIPTED, RANDOM, REPEAT = BUILT_IN = ("scripted", "random", "repeat")


@attrs.frozen(kw_only=True)
class Casting:
    """What models are played with. `games` is how many, over all."""

    checkpoints: Path
    manager: PluginManager
    games: int
    temperature: float
    seed: int

    def pair(self, own: str, other: str) -> tuple[Player, Player]:
        """The two players with these names. Chance takes its frequencies from the model on the other side, or else
        from scripted players. Raises ExphilError for a name that nobody has."""
        models = [
            self._model(name, side) if name not in BUILT_IN else None
            for side, name in enumerate((own, other))
        ]
        prior = next((model.frequencies() for model in models if model is not None), None)
        if prior is None and {own, other} & {RANDOM, REPEAT}:
            prior = scripted_frequencies()
        first, second = (
            model or self._built_in(name, side, prior)
            for side, (name, model) in enumerate(zip((own, other), models, strict=True))
        )
        return first, second

    def _model(self, name: str, side: int) -> Model:
        try:
            path = find_policy(name, self.checkpoints)
        except ExphilError as error:
            near = did_you_mean(name, BUILT_IN)
            raise type(error)(f"{error}{near}") if near else error from None
        # They need torch, whose import takes longer than a short match of the others.
        from exphil_core.playing.model import Model
        from exphil_core.serving.runner import Runner

        runner = Runner.load(
            path, self.manager, games=self.games, temperature=self.temperature, seed=2 * self.seed + side
        )
        return Model(path.name.removesuffix("_policy.safetensors"), runner)

    def _built_in(self, name: str, side: int, prior: ControllerPrior | None) -> Player:
        if name == SCRIPTED:
            return Scripted()
        assert prior is not None
        return Chance(name, prior, 2 * self.seed + side, repeats=name == REPEAT)
