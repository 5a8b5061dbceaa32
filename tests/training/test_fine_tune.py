"""Fine-tuning: weights in, lineage set by itself, and only what fits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load

from exphil_core.checkpoints.store import load_policy
from exphil_core.cli.main import run as exphil
from exphil_core.errors import ExphilError, UsageError
from exphil_core.features.schema import observation_schema
from exphil_core.models.policy import Policy, build_policy, policy_shape
from exphil_core.plugin_manager import PluginManager
from exphil_core.training import run as run_module
from exphil_core.training.checkpoint import find_checkpoint
from exphil_core.training.run import TrainedModel
from exphil_core.training.widening import take_weights

Run = Callable[..., TrainedModel]
CPU = torch.device("cpu")
# What a model with a state leaves; any of them names it.
FILES = (".safetensors", "_policy.safetensors", "_config.json", ".state")


def policy_of(model: TrainedModel, manager: PluginManager) -> Policy:
    assert model.entry.policy_path is not None
    return load_policy(model.folder / model.entry.policy_path, manager)[0]


def started(
    small_run: Run, monkeypatch: pytest.MonkeyPatch, **flags: Any
) -> tuple[TrainedModel, dict[str, Any]]:
    """A fine-tune, and the weights that it started from."""
    seen: dict[str, Any] = {}
    real = run_module.take_weights

    def spy(policy: Policy, *args: Any) -> None:
        real(policy, *args)
        seen.update({name: tensor.clone() for name, tensor in policy.state_dict().items()})

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "take_weights", spy)
        return small_run(**flags), seen


def test_any_of_the_parent_s_files_will_do(
    small_run: Run, manager: PluginManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = small_run(epochs="2", max_steps=None, window_size="100", batch_size="32")
    kept = policy_of(parent, manager).state_dict()
    files = [parent.folder / f"{parent.entry.id}{ending}" for ending in FILES]
    for source in (parent.entry.id, *map(str, files)):
        child, weights = started(small_run, monkeypatch, from_checkpoint=source, max_steps="1")
        assert child.entry.parent_model == parent.entry.id, source
        assert child.entry.training_type == "fine_tune"
        assert (child.entry.inherited_epochs, child.entry.epochs, child.entry.total_epochs) == (2, 1, 3)
        for name, tensor in kept.items():
            assert torch.equal(weights[name], tensor), (source, name)
        assert child.entry.sha256["weights"] != parent.entry.sha256["weights"]


@pytest.mark.parametrize("left", ["_policy.safetensors", "_config.json"])
def test_a_policy_file_alone_is_enough_and_less_is_not(
    small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    parent = small_run()
    alone = tmp_path / "elsewhere"
    alone.mkdir()
    for ending in {".safetensors", left}:
        shutil.copy(parent.folder / f"{parent.entry.id}{ending}", alone / f"mine{ending}")
    child, _ = started(small_run, monkeypatch, from_checkpoint=str(alone / "mine.safetensors"))
    assert child.entry.parent_model == ("mine" if left.startswith("_policy") else parent.entry.id)
    assert child.entry.total_epochs == 2
    (alone / f"mine{left}").unlink()
    with pytest.raises(Exception, match=r"is needed beside it"):
        small_run(from_checkpoint=str(alone / "mine.safetensors"))


def test_the_command_takes_its_settings_from_the_parent_and_refuses_others(
    small_run: Run, demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parent = small_run(backbone="mamba", hidden_sizes="8,8", delay="3", batch_size="8", character="fox")
    words = ["train", "--replays", str(demo_folder), "--checkpoints", str(parent.folder), "--max-steps", "2"]
    words += ["--from-checkpoint", parent.entry.id, "--epochs", "1", "--progress", "plain"]
    assert exphil(words) == 0
    said = capsys.readouterr()
    assert f"backbone = mamba  (model {parent.entry.id})" in said.err
    assert f"delay = 3  (model {parent.entry.id})" in said.err
    assert f"character = fox  (model {parent.entry.id})" in said.err
    assert exphil([*words, "--backbone", "gru", "--hidden-sizes", "16"]) != 0
    err = capsys.readouterr().err
    assert f"backbone: 'gru' (flag), but {parent.entry.id} has 'mamba'" in err
    assert f"hidden_sizes: [16] (flag), but {parent.entry.id} has [8, 8]" in err
    assert exphil([*words[:-6], "--from-checkpoint", "nobody"]) != 0
    assert "nobody" in capsys.readouterr().err


def test_new_features_widen_the_input_and_change_no_output_at_first(
    small_run: Run, manager: PluginManager, tmp_path: Path
) -> None:
    names = manager.names("exphil_character_features")
    if not names:
        pytest.skip("no plugin with a character feature is installed")
    parent = small_run()
    with pytest.raises(UsageError, match="are new to the model; give --allow-new-features"):
        small_run(from_checkpoint=parent.entry.id, features=names[0])
    checkpoint = find_checkpoint(parent.entry.id, str(parent.folder))
    old = policy_of(parent, manager)
    schema = observation_schema([manager.get("exphil_character_features", names[0]).spec])
    wide = build_policy(manager, policy_shape("gru", (8,), {}, schema))
    take_weights(wide, checkpoint.tensors(), checkpoint.observation, schema, "parent")
    rng = np.random.default_rng(0)
    core = [column["name"] for column in checkpoint.observation["columns"]]
    places = [[column.name for column in schema.columns].index(name) for name in core]
    floats = torch.from_numpy(rng.normal(size=(2, 5, schema.float_count)).astype(np.float32))
    ids = torch.stack([torch.from_numpy(rng.integers(c.size, size=(2, 5))) for c in schema.ids], dim=-1)
    cells = torch.full((2, 5, 6), 58)
    with torch.no_grad():
        new, _ = wide.eval().loss(floats, ids, cells, cells, wide.initial_state(2))
        before, _ = old.loss(floats[..., places], ids, cells, cells, old.initial_state(2))
    torch.testing.assert_close(new, before, rtol=0, atol=1e-6)
    child = small_run(from_checkpoint=parent.entry.id, features=names[0], allow_new_features=True)
    assert child.entry.parent_model == parent.entry.id
    assert child.entry.schema != parent.entry.schema
    config = json.loads((child.folder / child.entry.config_path).read_text())
    assert config["observation"]["features"] == [names[0]]
    # The other way round something would be missing.
    with pytest.raises(UsageError, match="the model was trained with"):
        small_run(from_checkpoint=child.entry.id)


def test_a_fine_tune_never_validates_on_what_its_parent_trained_on(small_run: Run, demo_folder: Path) -> None:
    parent = small_run(validation_fraction="0.01")
    with pytest.raises(UsageError, match=r"of the games to be held out are games that .* was trained on"):
        small_run(from_checkpoint=parent.entry.id, validation_fraction="0.9")


def test_damaged_files_of_the_parent_are_named_before_anything_is_read(small_run: Run) -> None:
    parent = small_run()
    weights, policy, config = (
        parent.folder / f"{parent.entry.id}{ending}"
        for ending in (".safetensors", "_policy.safetensors", "_config.json")
    )
    good, document = weights.read_bytes(), json.loads(config.read_text())

    def refused(wanted: object) -> str:
        with pytest.raises(ExphilError) as raised:
            find_checkpoint(str(wanted), str(parent.folder)).tensors()
        return str(raised.value)

    for content in (good[:1000], good[:-1] + bytes([good[-1] ^ 1])):
        weights.write_bytes(content)
        assert (
            refused(parent.entry.id) == f"{weights}: damaged: its SHA-256 is not the one in its _config.json"
        )
    # The policy file holds the same tensors.
    weights.unlink()
    found = find_checkpoint(parent.entry.id, str(parent.folder))
    assert found.tensors().keys() == load(good).keys()
    policy.rename(alone := parent.folder.parent / "x_policy.safetensors")
    assert refused(parent.entry.id).endswith("neither .safetensors nor _policy.safetensors is there")
    alone.write_bytes(alone.read_bytes()[:-500])
    assert "damaged or no safetensors file" in refused(alone)
    weights.write_bytes(good)
    for changed in (
        {**document, "observation": {}},
        {k: v for k, v in document.items() if k != "observation"},
    ):
        config.write_text(json.dumps(changed))
        assert "does not say what the model sees" in refused(parent.entry.id)
    for section, name in (
        ("data", "training_games"),
        ("results", "validation_games"),
        ("results", "validation_sides"),
    ):
        config.write_text(json.dumps({**document, section: {**document[section], name: 5}}))
        assert refused(parent.entry.id) == f"{config}: {name} is not a list of texts"
    config.write_text(json.dumps({**document, "results": 5}))
    assert refused(parent.entry.id) == f"{config}: results is a int, not an object"
    config.write_text(
        json.dumps({k: v for k, v in document.items() if k not in ("config", "data", "results")})
    )
    assert not find_checkpoint(parent.entry.id, str(parent.folder)).games_known


def test_a_policy_whose_bytes_have_changed_is_not_taken(
    small_run: Run, demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = small_run()
    policy = model.folder / f"{model.entry.id}_policy.safetensors"
    alone = tmp_path / "alone_policy.safetensors"
    content = bytearray(policy.read_bytes())
    content[-5] ^= 64
    for path in (policy, alone):
        path.write_bytes(content)
    here = ["--checkpoints", str(model.folder)]
    for name in (model.entry.id, str(policy)):
        for words in (
            ["export", name, "--to", "umi", "--out", str(tmp_path / "bot"), *here],
            ["play", name, "--sandbox", "--games", "1", *here],
            ["eval", name, "--replays", str(demo_folder), *here],
        ):
            assert exphil(words) == 1, words
            assert "damaged or changed: its SHA-256 is not the recorded one" in capsys.readouterr().err, words
    assert not (tmp_path / "bot").exists()
    # Of a file that nobody recorded, nothing can be said.
    assert exphil(["export", str(alone), "--to", "umi", "--out", str(tmp_path / "bot")]) == 0
