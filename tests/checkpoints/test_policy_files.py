"""A policy file from anybody: whatever it says of itself, it is read or refused in one line that names it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from exphil_core.checkpoints.store import load_policy, read_description, save_policy
from exphil_core.errors import ExphilError
from exphil_core.models.policy import LATER_WEIGHTS, Policy
from exphil_core.plugin_manager import PluginManager

MISSING = object()
# Where in the description, what stands there instead, what is said.
DAMAGE: dict[str, tuple[tuple[str, ...], Any, str]] = {
    "no delay": (("delay",), MISSING, "delay is missing"),
    "delay a text": (("delay",), "x", "delay is not a whole number"),
    "delay negative": (("delay",), -1, "delay is -1 frames"),
    "delay huge": (("delay",), 10**30, f"delay is {10**30} frames"),
    "format a text": (("format",), "2", "format is not a whole number"),
    "shape a list": (("shape",), [], "shape is not a table of names and values"),
    "no widths": (("shape", "hidden_sizes"), MISSING, "shape.hidden_sizes is missing"),
    "a width a text": (("shape", "hidden_sizes"), ["8"], "shape.hidden_sizes is not a whole number"),
    "an id too short": (("shape", "ids"), [["own_action", 5]], "shape.ids is not a list of 3"),
    "backbone a number": (("shape", "backbone"), 5, "shape.backbone is not a text"),
    "observation a text": (("observation",), "x", "observation is not a table of names and values"),
    "features null": (("observation", "features"), None, "observation.features is not a list"),
    "no parts": (("controller",), {}, "controller.parts is missing"),
    "character a list": (("character",), ["fox"], "character is not a text"),
    "plugins half": (
        ("plugins",),
        {"exphil_backbones": {"gru": {}}},
        "plugins gru: distribution is missing",
    ),
    "no layers": (("shape", "hidden_sizes"), [], "not those of the gru that it says it is"),
    "another width": (
        ("shape", "hidden_sizes"),
        [9],
        "made with other versions than those here (exphil-core ",
    ),
    "a width negative": (("shape", "head_width"), -1, "not those of the gru that it says it is"),
    "an unknown key": (("shape", "colour"), 1, "not those of the gru that it says it is"),
}


@pytest.fixture
def policy(made_policy: Callable[..., Policy]) -> Policy:
    return made_policy("gru", hidden=(8,))


@pytest.mark.parametrize("how", DAMAGE)
def test_a_description_that_is_odd_is_named_in_one_line(
    how: str, policy: Policy, manager: PluginManager, tmp_path: Path
) -> None:
    keys, value, said = DAMAGE[how]
    path = tmp_path / "x_policy.safetensors"
    told = read_description_of(policy, path)
    section = told
    for key in keys[:-1]:
        section = section[key]
    section.pop(keys[-1], None) if value is MISSING else section.update({keys[-1]: value})
    save_with(path, policy, told)
    with pytest.raises(ExphilError) as caught:
        load_policy(path, manager)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def read_description_of(policy: Policy, path: Path) -> dict[str, Any]:
    save_policy(path, policy, policy.description)
    return read_description(path)


def save_with(path: Path, policy: Policy, told: Mapping[str, Any], lacking: Collection[str] = ()) -> None:
    """The policy's file, with a description of our own: what is missing in `told` is missing there, and so are the
    tensors `lacking`."""
    import json

    from safetensors.torch import save_file

    tensors = {name: tensor for name, tensor in policy.state_dict().items() if name not in lacking}
    save_file(tensors, path, {"exphil": json.dumps(told)})


def test_a_policy_of_an_earlier_version_plays_as_it_did(
    policy: Policy, manager: PluginManager, tmp_path: Path
) -> None:
    """Its head has no weights for single buttons, but all others."""
    path = tmp_path / "x_policy.safetensors"
    told = read_description_of(policy, path)
    save_with(path, policy, told, LATER_WEIGHTS)
    found = load_policy(path, manager)[0].state_dict()
    for name, tensor in policy.state_dict().items():
        assert torch.equal(found[name], torch.zeros_like(tensor) if name in LATER_WEIGHTS else tensor), name
    save_with(path, policy, told, (LATER_WEIGHTS[0], "head.enter.weight"))
    with pytest.raises(ExphilError, match=r'Missing key\(s\) in state_dict: "head.enter.weight"'):
        load_policy(path, manager)


def test_weights_that_are_no_numbers_are_refused(
    policy: Policy, manager: PluginManager, tmp_path: Path
) -> None:
    path = tmp_path / "x_policy.safetensors"
    with torch.no_grad():
        policy.head.enter.weight[0, 0] = float("nan")
    save_policy(path, policy, policy.description)
    with pytest.raises(ExphilError, match=r"damaged: its weights head.enter.weight are not finite numbers"):
        load_policy(path, manager)
