"""A run goes on with the games, tables and versions that it was begun with, or says what is another."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from exphil_core.errors import ExphilError
from exphil_core.features.character import active_features
from exphil_core.kernels.build import BuildError
from exphil_core.kernels.library import attempt, force_kernel, kernel_variant
from exphil_core.models.policy import Policy
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays import archives
from exphil_core.training.machine import machine
from exphil_core.training.run import TrainedModel
from exphil_core.training.versions import tell_changes, versions

from .conftest import LONG, AnyRun, assert_same, go_on, stopped_copy, stopping_at, told


def test_tables_count_as_they_were_when_the_run_began(
    any_run: AnyRun, manager: PluginManager, demo_folder: Path, tmp_path: Path
) -> None:
    weights, excluded = tmp_path / "weights.toml", tmp_path / "exclude.txt"
    first, *others = sorted(path.name for path in demo_folder.glob("*.slp"))
    weights.write_text("[character]\nfox = 0.25\nfalco = 3\n")
    excluded.write_text(f"{first}\n")
    flags = {**LONG, "max_files": None, "weights": str(weights), "exclude_file": str(excluded)}
    straight = any_run(**flags)
    run = stopped_copy(tmp_path / "a", any_run, 3, **flags)
    other = stopped_copy(tmp_path / "b", any_run, 3, **flags)
    ended, said = told(run, manager)
    assert said == []
    assert isinstance(straight, TrainedModel)
    assert_same(ended, straight)

    weights.write_text("[character]\nfox = 1\n")
    excluded.write_text("\n".join(others[:2]))
    ended, said = told(other, manager)
    assert_same(ended, straight)
    assert said == [
        f"warning: --weights {weights} has changed: the run goes on with the table that it was begun with",
        f"warning: --exclude-file {excluded} has changed: the run goes on with the games that it was begun with",
    ]
    documents = [
        json.loads((model.folder / model.entry.config_path).read_text()) for model in (straight, ended)
    ]
    assert documents[0]["data"] == documents[1]["data"]
    assert "falco = 3" in documents[1]["data"]["tables"]["weights"]["text"]
    assert documents[1]["data"]["left_out"] == {"excluded by --exclude-file": 1}


def test_a_run_on_a_sample_reads_its_own_games_alone_when_it_goes_on(
    any_run: AnyRun, manager: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = {**LONG, "max_files": "3"}
    straight = any_run(**flags)
    run = stopped_copy(tmp_path / "stopped", any_run, 3, **flags)
    opened: list[str] = []
    real = archives.Unpacker.each

    def spy(self: archives.Unpacker, files: Any, act: Any) -> None:
        opened.extend(file.name for file in files)
        real(self, files, act)

    monkeypatch.setattr(archives.Unpacker, "each", spy)
    (here,) = Path(os.environ["EXPHIL_CACHE"]).glob("index.sqlite")
    fresh = tmp_path / "cache"
    fresh.mkdir()
    shutil.copy(here, fresh)
    resumed = go_on(run, manager, cache_dir=str(fresh))
    assert isinstance(straight, TrainedModel)
    assert isinstance(resumed, TrainedModel)
    assert resumed.entry == straight.entry
    # The index knows all six; rows are wanted of three.
    assert len(opened) == 3


def test_another_recording_of_a_game_is_not_the_game_that_the_run_was_begun_with(
    any_run: AnyRun, manager: PluginManager, demo_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(demo_folder, folder)
    run = stopped_copy(tmp_path / "stopped", any_run, 3, **LONG, replays=(str(folder),))
    for path in folder.glob("*.slp"):
        path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ExphilError, match=r"4 of the 4 games that this run was begun with are not among"):
        go_on(run, manager)


def test_games_that_are_gone_are_counted_and_new_ones_change_nothing(
    any_run: AnyRun, long_run: TrainedModel, manager: PluginManager, demo_folder: Path, tmp_path: Path
) -> None:
    from exphil_core.sandbox import make_replays

    folder = tmp_path / "mine"
    folder.mkdir()
    for path in demo_folder.glob("*.slp"):
        (folder / path.name).write_bytes(path.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        run = any_run(
            stop=stopping_at(3, patch),
            **LONG,
            replays=(str(folder),),
            checkpoints=str(tmp_path / "stopped"),
        )
    make_replays(folder, games=2, minutes=0.1, seed=99)
    for path in folder.glob("*.slp"):
        path.rename(path.with_name(f"renamed-{path.name}"))
    resumed = go_on(run, manager)
    assert isinstance(resumed, TrainedModel)
    assert resumed.entry.sha256["weights"] == long_run.entry.sha256["weights"]

    with pytest.MonkeyPatch.context() as patch:
        run = any_run(
            stop=stopping_at(3, patch),
            **{**LONG, "max_files": None},
            replays=(str(demo_folder),),
            checkpoints=str(tmp_path / "other"),
        )
    some = sorted(map(str, demo_folder.glob("*.slp")))[:4]
    with pytest.raises(ExphilError, match="2 of the 6 games that this run was begun with are not among"):
        go_on(run, manager, replays=tuple(some))


def test_relative_paths_are_those_of_the_folder_where_the_run_was_begun(
    any_run: AnyRun,
    manager: PluginManager,
    demo_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(demo_folder, tmp_path / "there" / "games")
    (tmp_path / "there" / "weights.toml").write_text("other = 2")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    for replays in ("games", "games/*.slp"):
        run = stopped_copy(tmp_path / "c", any_run, 2, replays=(replays,), weights="weights.toml")
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path / "here")
            ended, said = told(run, manager)
        assert isinstance(ended, TrainedModel)
        assert said == []


def test_other_versions_of_what_a_run_is_made_of_are_named(
    any_run: AnyRun, manager: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stopped_copy(tmp_path / "stopped", any_run, 2)
    monkeypatch.setattr("exphil_core.__version__", "9.9")
    monkeypatch.setattr("exphil_core.training.versions.FACTS_VERSION", 77)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "ABACUS")
    ended, warnings = told(run, manager)
    assert isinstance(ended, TrainedModel)
    for name, now in (("exphil-core", "9.9"), ("the facts of replays", "77"), ("cpu", "ABACUS")):
        (line,) = (line for line in warnings if line.startswith(f"warning: {name} was "))
        assert line.endswith(f"and is {now} now: going on is not exact to the bit")
    assert len(warnings) == 3


@pytest.mark.parametrize("backbone", ["gru", "mamba"])
def test_a_run_goes_on_with_the_kernel_that_it_was_begun_with(
    any_run: AnyRun, manager: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backbone: str
) -> None:
    """`plain` runs everywhere, and no machine takes it by itself: its last bits are other ones."""
    if attempt("plain").kernel is None:
        pytest.skip(attempt("plain").why)
    try:
        force_kernel("plain")
        straight = any_run(backbone=backbone, checkpoints=str(tmp_path / "straight"))
        stopped = [stopped_copy(tmp_path / name, any_run, 2, backbone=backbone) for name in ("a", "b")]
        force_kernel(None)
        other = any_run(backbone=backbone, checkpoints=str(tmp_path / "other"))
        assert isinstance(straight, TrainedModel)
        assert isinstance(other, TrainedModel)
        if kernel_variant() != "plain":
            assert other.entry.sha256["weights"] != straight.entry.sha256["weights"]
        ended, said = told(stopped[0], manager)
        assert_same(ended, straight)
        assert said == []
        force_kernel(None)

        def gone(variant: str) -> None:
            raise BuildError(f"the kernel {variant} can't be had here")

        monkeypatch.setattr("exphil_core.training.machine.force_kernel", gone)
        monkeypatch.setattr("exphil_core.training.machine.kernel_variant", lambda: "off")
        said = told(stopped[1], manager)[1]
        assert said[:2] == [
            "warning: the kernel plain can't be had here",
            "warning: kernel was plain and is off now: going on is not exact to the bit",
        ]
    finally:
        force_kernel(None)


def test_what_may_use_the_kernel_is_known_or_a_plugin_s(made_policy: Callable[..., Policy]) -> None:
    """The network of a plugin may call the package's scan."""
    cpu, used = torch.device("cpu"), {}
    for backbone in ("mlp", "lstm", "gru", "mamba", "sliding_window", "hybrid"):
        policy = made_policy(backbone, hidden=(8,))
        used[backbone] = machine(policy, cpu, 1)["kernel"]
    assert {name for name, kernel in used.items() if kernel is not None} == {"gru", "mamba", "hybrid"}
    theirs = type("Theirs", (torch.nn.Module,), {"__module__": "theirs.network"})()
    policy.backbone = torch.nn.Sequential(theirs)  # type: ignore[assignment]
    assert machine(policy, cpu, 1)["kernel"] == kernel_variant()


def test_a_plugin_s_code_counts_before_its_version(manager: PluginManager) -> None:
    features = active_features(manager, manager.names("exphil_character_features")[:1])
    if not features:
        pytest.skip("no plugin with a character feature is installed")
    now = versions(manager, "gru", features, "last")
    distribution, name = features[0].entry.origin.distribution, features[0].entry.spec.name
    code = f"the code of {distribution}'s {name}"
    assert now[distribution] == features[0].entry.origin.version
    said: list[str] = []
    tell_changes({**now, code: "another"}, now, said.append)
    tell_changes(now, {key: value for key, value in now.items() if key != distribution}, said.append)
    assert [line.split(":")[1].split(" was ")[0].strip() for line in said] == [code, distribution]
