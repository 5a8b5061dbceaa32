"""A policy that was hardly trained at all, as a file: what it does is wild, but it depends on what it sees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from exphil_core.checkpoints.store import save_policy
from exphil_core.features.schema import observation_schema
from exphil_core.melee.stages import STAGES
from exphil_core.models.policy import build_policy, policy_shape
from exphil_core.models.prior import ControllerPrior
from exphil_core.playing.chance import scripted_frequencies
from exphil_core.playing.matches import Match, plan_matches
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.controller import PARTS
from exphil_core.sandbox.make import DEFAULT_CHARACTERS, find_characters

PolicyFile = Callable[..., Path]
Plan = Callable[..., list[Match]]


@pytest.fixture(scope="session")
def prior() -> ControllerPrior:
    return scripted_frequencies()


@pytest.fixture(scope="session")
def policy_file(
    manager: PluginManager, prior: ControllerPrior, tmp_path_factory: pytest.TempPathFactory
) -> PolicyFile:
    def make(name: str = "wild", *, delay: int = 0, character: str | None = None) -> Path:
        schema = observation_schema([])
        torch.manual_seed(5)
        policy = build_policy(manager, policy_shape("gru", (24,), {}, schema))
        policy.head.set_prior(prior)
        with torch.no_grad():
            for logits in policy.head.logits:
                logits.weight += 0.2 * torch.randn(logits.weight.shape)
        path = tmp_path_factory.mktemp("policy") / f"{name}_policy.safetensors"
        description = {
            "observation": schema.as_json(),
            "controller": {"parts": list(PARTS)},
            "delay": delay,
            "character": character,
            "total_epochs": 1,
        }
        save_policy(path, policy, description)
        return path

    return make


@pytest.fixture(scope="session")
def matches() -> Plan:
    """``matches(4, minutes=0.1, seed=1)``: games on all stages."""
    cast = find_characters((*DEFAULT_CHARACTERS, "iceclimbers"))

    def plan(games: int, minutes: float = 0.1, seed: int = 1) -> list[Match]:
        return plan_matches(seed=seed, games=games, minutes=minutes, own=cast, others=cast, stages=STAGES)

    return plan
