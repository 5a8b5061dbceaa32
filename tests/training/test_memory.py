"""The estimate of a step's memory follows what autograd really keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from exphil_core.cli.main import run
from exphil_core.features.schema import observation_schema
from exphil_core.models.policy import build_policy, policy_shape
from exphil_core.plugin_manager import PluginManager
from exphil_core.training.memory import activation_bytes

SCHEMA = observation_schema()


@pytest.mark.parametrize("backbone", ["gru", "mamba"])
def test_it_grows_with_window_and_lanes(manager: PluginManager, backbone: str) -> None:
    torch.manual_seed(0)
    policy = build_policy(manager, policy_shape(backbone, (32,), {}, SCHEMA))
    once = activation_bytes(policy, SCHEMA, 50, 1)
    assert activation_bytes(policy, SCHEMA, 50, 7) == 7 * once
    assert activation_bytes(policy, SCHEMA, 200, 1) == pytest.approx(4 * once, rel=0.1)
    # At the very least the logits of each frame: 823 cells of 4 bytes.
    assert once > 50 * 823 * 4


def test_a_wider_model_keeps_more(manager: PluginManager) -> None:
    sizes = [
        activation_bytes(build_policy(manager, policy_shape("gru", (width,), {}, SCHEMA)), SCHEMA, 50, 1)
        for width in (16, 256)
    ]
    assert sizes[1] > 1.2 * sizes[0]


def test_a_long_window_is_told_with_its_memory(
    demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = [
        "train",
        "--replays",
        str(demo_folder),
        "--hidden-sizes",
        "8",
        "--max-steps",
        "1",
        "--checkpoints",
    ]
    assert run([*args, str(tmp_path / "a"), "--window-size", "150", "--batch-size", "2"]) == 0
    err = capsys.readouterr().err
    assert "warning: window_size 150 is long" in err
    assert "window_size 150: a step keeps about" in err
    assert run([*args, str(tmp_path / "b"), "--batch-size", "5000"]) == 0
    assert "warning: batch_size 5000 is more than the" in capsys.readouterr().err
