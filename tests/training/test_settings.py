"""Every setting of a training run changes what it says. A setting without a case here fails the test below."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch

from exphil_core.config.resolve import resolve
from exphil_core.config.schema import TrainConfig
from exphil_core.errors import UsageError
from exphil_core.plugin_manager import PluginManager
from exphil_core.replays.inspecting import Replay, inspect
from exphil_core.replays.slp import read_game
from exphil_core.sandbox import NEUTRAL, Controller, GameState, ScriptedPlayer, make_replays
from exphil_core.training import loop
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.run import TrainedModel, train
from exphil_core.training.validation import Validation

Run = Callable[..., TrainedModel]

# Settings whose effect shows in the weights of an otherwise equal run: (setting, value, what the run needs).
WEIGHTS: list[tuple[str, Any, dict[str, Any]]] = [
    ("backbone", "mamba", {}),
    ("hidden_sizes", "8,8", {}),
    ("window_size", "20", {}),
    ("backbone_options", {"d_state": "4"}, {"backbone": "mamba"}),
    ("mirror", "1.0", {}),
    ("mask_dropout", "0.5", {}),
    ("controller_dropout", "0.5", {}),
    ("identity_dropout", "0.5", {}),
    ("swap_buttons", "0.5", {}),
    ("batch_size", "3", {}),
    ("lr", "0.01", {}),
    ("schedule", "constant", {}),
    ("warmup_steps", "0", {"max_steps": "20", "epochs": "9"}),
    ("weight_decay", "0.5", {}),
    ("grad_clip", "0.001", {}),
    ("seed", "1", {}),
    ("delay", "5", {}),
    ("max_steps", "5", {}),
    ("head", "independent", {}),
    ("dropout", "0.3", {"hidden_sizes": "8,8"}),
    ("label_smoothing", "0.1", {}),
    ("button_weight", "4", {}),
    ("accumulate", "2", {}),
    ("ema", "0.9", {}),
    ("precision", "bf16", {}),
]
# Settings with a test of their own below.
OWN_TEST = {
    "replays", "character", "opponent", "stage", "min_frames", "max_files", "any_player", "drop_idle", "rollback",
    "winner_only", "player", "exclude_file", "since", "weights",
    "validation_fraction", "cache_dir", "temporal", "features", "epochs", "device", "threads", "max_time",
    "checkpoints", "naming", "bump", "tags", "early_stopping", "patience", "min_delta", "compile",
    "save_every", "keep_states", "from_checkpoint", "allow_new_features",
    "log_to", "log_options",  # test_loggers.py
}  # fmt: skip


def config_of(model: TrainedModel) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((model.folder / model.entry.config_path).read_text())
    return document


def test_every_setting_is_tested() -> None:
    names = {field.name for field in attrs.fields(TrainConfig)}
    assert names == {name for name, _, _ in WEIGHTS} | OWN_TEST


@pytest.mark.parametrize(("name", "value", "base"), WEIGHTS, ids=[case[0] for case in WEIGHTS])
def test_it_changes_the_weights(
    small_run: Run, tmp_path: Path, name: str, value: Any, base: dict[str, Any]
) -> None:
    plain = small_run(**base, checkpoints=str(tmp_path / "plain"))
    changed = small_run(**{**base, name: value}, checkpoints=str(tmp_path / "changed"))
    assert plain.entry.sha256["weights"] != changed.entry.sha256["weights"]
    assert config_of(changed)["origins"][name] == "flag"


def test_replays(small_run: Run, demo_folder: Path) -> None:
    some = sorted(map(str, demo_folder.glob("*.slp")))[:3]
    assert config_of(small_run(replays=tuple(some)))["data"]["replays"] == 2


def test_character_opponent_and_stage(small_run: Run, demo_folder: Path) -> None:
    games = [read_game(path) for path in demo_folder.glob("*.slp")]
    everyone = config_of(small_run())["data"]
    fox = small_run(character="Fox")
    assert fox.entry.character == "fox"
    assert config_of(fox)["data"]["training_sides"] < everyone["training_sides"]
    casts = [[player.character.name for player in game.info.players] for game in games]
    against = config_of(small_run(opponent="mewtwo"))
    facing = sum(cast[1 - side] == "mewtwo" for cast in casts for side in (0, 1))
    sides = against["data"]["training_sides"] + len(against["results"]["validation_sides"])
    assert sides == facing < 2 * len(games)
    stages = [game.info.stage.name for game in games]
    wanted = sorted(set(stages))[1:]
    data = config_of(small_run(stage=",".join(wanted)))["data"]
    assert data["left_out"] == {"another stage": sum(stage not in wanted for stage in stages)}


def test_min_frames_and_max_files(small_run: Run, tmp_path: Path) -> None:
    make_replays(tmp_path / "mixed", games=2, minutes=0.4, seed=1)
    make_replays(tmp_path / "mixed", games=3, minutes=0.1, seed=2)
    lengths = sorted(len(read_game(path)) for path in (tmp_path / "mixed").glob("*.slp"))
    data = config_of(small_run(replays=(str(tmp_path / "mixed"),), min_frames=str(lengths[-2])))["data"]
    assert data["left_out"] == {"shorter than --min-frames": 3}
    assert config_of(small_run(max_files="3"))["data"]["replays"] == 2


def test_validation_fraction(small_run: Run) -> None:
    few, many = (config_of(small_run(validation_fraction=f))["results"] for f in ("0.01", "0.9"))
    assert len(few["validation_games"]) < len(many["validation_games"])


def test_any_player_lets_cpu_games_in(small_run: Run, demo_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cpu"
    folder.mkdir()
    for path in demo_folder.glob("*.slp"):
        content = bytearray(path.read_bytes())
        start = content.index(b"\x36\x03", content.index(b"\x35"))
        player_types = [start + 0x66 + 0x24 * port for port in range(4)]
        seat = next(at for at in player_types if content[at] == 0)
        content[seat] = 1
        (folder / path.name).write_bytes(content)
    with pytest.raises(Exception, match="none of the 6 replay files can be trained on: 6 a CPU player"):
        small_run(replays=(str(folder),))
    assert config_of(small_run(replays=(str(folder),), any_player=True))["data"]["replays"] > 0


def test_filters_by_player_result_date_and_list(small_run: Run, demo_folder: Path, tmp_path: Path) -> None:
    paths = sorted(demo_folder.glob("*.slp"))
    known = [inspect(path.read_bytes(), str(path), path).facts for path in paths]
    everyone = config_of(small_run())

    def sides_of(document: dict[str, Any]) -> int:
        sides: int = document["data"]["training_sides"] + len(document["results"]["validation_sides"])
        return sides

    won = sum(player.won is True for facts in known for player in facts.players)
    assert sides_of(config_of(small_run(winner_only=True))) == won < sides_of(everyone)
    ((code, theirs),) = Counter(player.code for facts in known for player in facts.players).most_common(1)
    assert sides_of(config_of(small_run(player=(code.replace("＃", "#"),)))) == theirs < sides_of(everyone)
    exclude = tmp_path / "exclude.txt"
    exclude.write_text(f"{paths[0].name}\n{known[1].sha256}\n")
    excluded = config_of(small_run(exclude_file=str(exclude)))["data"]
    assert excluded["left_out"] == {"excluded by --exclude-file": 2}
    day = sorted(facts.date for facts in known)[-1][:10]
    older = sum(facts.date[:10] < day for facts in known)
    if older == 0:
        with pytest.raises(Exception, match="6 older than --since"):
            small_run(since="2100-01-01")
    else:
        assert config_of(small_run(since=day))["data"]["left_out"] == {"older than --since": older}


def test_weights_change_what_is_learned_and_not_what_is_scored(small_run: Run, tmp_path: Path) -> None:
    runs = []
    for number, text in enumerate(("", "[character]\nfox = 3\n", "[character]\nfox = 0\n")):
        path = tmp_path / f"{number}.toml"
        path.write_text(text)
        runs.append(small_run(weights=str(path), checkpoints=str(tmp_path / str(number))))
    assert len({run.entry.sha256["weights"] for run in runs}) == 3
    even, heavier, without = (config_of(run) for run in runs)
    assert (
        even["data"]["training_sides"]
        == heavier["data"]["training_sides"]
        > without["data"]["training_sides"]
    )
    for document in (heavier, without):
        for name in ("validation_sides", "validation_frames", "baseline_repeat"):
            if name != "baseline_repeat" or document is heavier:  # the prior is that of the training sides
                assert document["results"][name] == even["results"][name]


def test_drop_idle_leaves_out_a_side_that_does_nothing(
    small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ScriptedPlayer.act

    def asleep(self: ScriptedPlayer, state: GameState | None) -> Controller:
        chosen = real(self, state)
        return NEUTRAL if self._index == 1 else chosen

    monkeypatch.setattr(ScriptedPlayer, "act", asleep)
    folder = tmp_path / "idle"
    make_replays(folder, games=3, minutes=0.4, seed=3)
    monkeypatch.undo()
    dropped, kept = (config_of(small_run(replays=(str(folder),), drop_idle=drop)) for drop in (True, False))
    assert dropped["data"]["training_examples"] < 0.6 * kept["data"]["training_examples"]
    # The canonical loss does not depend on it: the same held-out frames.
    assert dropped["results"]["validation_frames"] == kept["results"]["validation_frames"]


def test_rollback_says_which_version_is_read(
    small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = set()
    real = Replay.game

    def spy(self: Replay, rollback: str) -> Any:
        asked.add(rollback)
        return real(self, rollback)

    monkeypatch.setattr(Replay, "game", spy)
    for rollback in ("first", "last"):
        small_run(rollback=rollback, cache_dir=str(tmp_path / "cache"))
    assert asked == {"first", "last"}


def test_what_is_known_of_replays_is_kept_in_the_cache(small_run: Run, tmp_path: Path) -> None:
    small_run(cache_dir=str(tmp_path / "cache"))
    assert list((tmp_path / "cache").glob("index*"))


def test_temporal_must_agree_with_the_backbone(manager: PluginManager) -> None:
    for backbone, temporal in (("gru", False), ("mlp", True)):
        with pytest.raises(UsageError, match="temporal and backbone contradict each other"):
            resolve(manager, flags={"backbone": backbone, "temporal": temporal})
        resolve(manager, flags={"backbone": backbone, "temporal": not temporal})


def test_features_widen_the_observation(small_run: Run, manager: PluginManager, tmp_path: Path) -> None:
    name = next(iter(manager.names("exphil_character_features")), None)
    if name is None:
        pytest.skip("no plugin with a character feature is installed")
    plain, wider = small_run(), small_run(features=name, checkpoints=str(tmp_path / "wider"))
    assert wider.entry.schema != plain.entry.schema
    columns = len(manager.get("exphil_character_features", name).spec.columns)
    count = [len(config_of(model)["observation"]["columns"]) for model in (plain, wider)]
    assert count[1] == count[0] + 2 * columns
    assert len(wider.entry.plugins) == 2


def test_epochs(small_run: Run) -> None:
    model = small_run(epochs="3", max_steps=None, backbone="mlp", batch_size="2000")
    assert [result.epoch for result in model.outcome.history] == [1, 2, 3]
    assert model.entry.epochs == model.entry.total_epochs == 3


def test_device_and_threads(small_run: Run) -> None:
    provenance = config_of(small_run(threads="1", device="cpu"))["provenance"]
    assert (provenance["threads"], provenance["device"]) == (1, "cpu")


def test_early_stopping_patience_and_min_delta(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = loop.validate
    scores: Iterator[float] = iter(())

    def scripted(*args: Any) -> Validation:
        return attrs.evolve(real(*args), val_loss=next(scores))

    monkeypatch.setattr(loop, "validate", scripted)
    long = {"epochs": "9", "max_steps": None, "backbone": "mlp", "batch_size": "2000", "max_files": "2"}

    def ended(values: Sequence[float], **flags: Any) -> tuple[int, int]:
        nonlocal scores
        scores = iter(values)
        outcome = small_run(**long, **flags).outcome
        assert outcome.best is not None
        return len(outcome.history), outcome.best.epoch

    falling_then_flat = [3.0, 2.0, 1.995, 2.0, 1.99, 1.98, 1.97, 1.96, 1.0]
    assert ended(falling_then_flat) == (9, 9)
    assert ended(falling_then_flat, early_stopping=True, patience="1") == (4, 3)
    assert ended(falling_then_flat, early_stopping=True, patience="2", min_delta="0.1") == (4, 2)
    # What is kept follows the same rule as what is waited for: 1.995 is no better than 2.0 by more than 0.1.
    assert ended(falling_then_flat, min_delta="0.1") == (9, 9)
    assert ended([2.0] * 9, early_stopping=True, patience="3") == (4, 1)


@pytest.mark.all_only  # the compiler takes half a minute
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own
def test_compile_changes_how_a_step_runs_and_not_what_it_learns(
    small_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    real = torch.compile

    def spy(function: Any) -> Any:
        compiled.append(function)
        return real(function)

    monkeypatch.setattr(torch, "compile", spy)
    plain, fast = (small_run(compile=flag, backbone="mlp") for flag in (False, True))
    assert [function.__name__ for function in compiled] == ["loss"]
    assert fast.entry.val_loss == pytest.approx(plain.entry.val_loss, rel=1e-4)


def test_max_time(small_run: Run) -> None:
    model = small_run(epochs="500", max_steps=None, max_time="0.01s")
    assert model.outcome.stopped.startswith("--max-time")
    assert len(model.outcome.history) == 1


def test_checkpoints_naming_and_tags(small_run: Run, tmp_path: Path) -> None:
    model = small_run(checkpoints=str(tmp_path / "else/where"), naming="hybrid", tags="good,first")
    assert model.entry.path == "any/gru_20260119_123456.safetensors"
    assert (tmp_path / "else/where" / model.entry.path).is_file()
    assert model.entry.tags == ("first", "good")


def test_bump_says_which_part_of_a_version_rises(small_run: Run) -> None:
    versions = [small_run(naming="semver", bump=bump).entry.id for bump in ("minor", "minor", "major")]
    assert versions == ["any_gru_v1.0", "any_gru_v1.1", "any_gru_v2.0"]


def test_a_name_may_hold_the_loss(small_run: Run) -> None:
    model = small_run(naming="performance")
    assert model.entry.id == f"gru_20260119_123456_loss{model.entry.val_loss:.2f}"
    assert [p.name for p in model.folder.glob("*_metrics.jsonl")] == [f"{model.entry.id}_metrics.jsonl"]


def test_a_tag_that_can_t_be_one_is_refused_at_once(manager: PluginManager) -> None:
    with pytest.raises(UsageError, match=r"tags: .* must be 1 to 64 characters that can be shown"):
        resolve(manager, flags={"tags": "two words"})


def test_a_run_in_progress_is_known_as_one(
    small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exphil_core.checkpoints.running import is_running
    from exphil_core.training import loop

    seen = []
    real = loop.Trainer._epoch

    def spy(self: loop.Trainer, *args: Any) -> Any:
        seen.append(is_running(folder, "gru_20260119_123456"))
        return real(self, *args)

    folder = tmp_path / "checkpoints"
    monkeypatch.setattr(loop.Trainer, "_epoch", spy)
    model = small_run()
    assert seen == [True]
    assert not is_running(model.folder, model.entry.id)


def test_a_read_replay_folder_is_left_as_it_was(
    manager: PluginManager, demo_folder: Path, tmp_path: Path
) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in demo_folder.iterdir()}
    run = resolve(
        manager,
        flags={
            "replays": (str(demo_folder),),
            "checkpoints": str(tmp_path),
            "max_steps": "1",
            "hidden_sizes": "8",
        },
    )
    assert isinstance(train(run, manager, SilentReporter()), TrainedModel)
    assert {path.name: path.stat().st_mtime_ns for path in demo_folder.iterdir()} == before
