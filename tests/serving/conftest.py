"""Policies with weights everywhere, as if trained, and what files say of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from exphil_core.checkpoints.needs import BACKBONE, FEATURES, plugins_json
from exphil_core.features.schema import observation_schema
from exphil_core.models.policy import Policy, build_policy, policy_shape
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.controller import PARTS

PolicyMaker = Callable[..., Policy]


@pytest.fixture(scope="session")
def made_policy(manager: PluginManager) -> PolicyMaker:
    """``made_policy("gru", features=("teleport",), delay=2)``: small, and it has its description."""

    def make(
        backbone: str = "gru",
        *,
        features: tuple[str, ...] = (),
        delay: int = 0,
        hidden: tuple[int, ...] = (24, 24),
        **description: Any,
    ) -> Policy:
        entries = [manager.get(FEATURES, name) for name in features]
        schema = observation_schema([entry.spec for entry in entries])
        generator = torch.Generator().manual_seed(5)
        torch.manual_seed(5)
        policy = build_policy(manager, policy_shape(backbone, hidden, {}, schema)).eval()
        with torch.no_grad():
            for weight in policy.parameters():
                weight += 0.1 * torch.randn(weight.shape, generator=generator)
        origins = [(BACKBONE, manager.get(BACKBONE, backbone)), *((FEATURES, entry) for entry in entries)]
        policy.description = {
            "observation": schema.as_json(),
            "controller": {"parts": list(PARTS)},
            "delay": delay,
            "character": None,
            "plugins": plugins_json(origins),
            "total_epochs": 1,
            **description,
        }
        return policy

    return make
