"""Reports of trained models: their run's own figures again, pairs on the same decisions, and fair warning."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch

from exphil_core.checkpoints.config_file import read_document
from exphil_core.checkpoints.importing import import_models
from exphil_core.checkpoints.registry import Registry
from exphil_core.config.resolve import resolve
from exphil_core.errors import ExphilError, UsageError
from exphil_core.evaluation import steps, sums
from exphil_core.evaluation.evaluate import EvalSettings, Evaluation, evaluate
from exphil_core.evaluation.games import games_for
from exphil_core.evaluation.models import EvalModel, open_model
from exphil_core.evaluation.report import EvalReport
from exphil_core.evaluation.scoring import score
from exphil_core.models.policy import Policy
from exphil_core.plugin_manager import PluginManager, load_plugins
from exphil_core.replays.slp import read_game
from exphil_core.training.frames import build_store
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.run import TrainedModel

CPU = torch.device("cpu")
Judge = Callable[..., Evaluation]


def warned(line: str) -> None:
    raise AssertionError(line)


@pytest.fixture
def judge(manager: PluginManager, short_folder: Path) -> Judge:
    """Judges models (or what names them) on the demo games."""

    def run(
        *models: TrainedModel | EvalModel,
        held_out: bool = False,
        samples: int = 40,
        seed: int = 0,
        **flags: Any,
    ) -> Evaluation:
        opened = [
            model
            if isinstance(model, EvalModel)
            else open_model(model.entry.id, str(model.folder), manager, warned)
            for model in models
        ]
        given = {"replays": (str(short_folder),), "seed": str(seed), **flags}
        config = resolve(manager, flags=given).config
        games = games_for(opened, config, SilentReporter(), held_out)
        settings = EvalSettings(samples=samples, seed=seed, held_out_only=held_out)
        return evaluate(opened, games, settings, CPU, SilentReporter(), datetime(2026, 1, 19))

    return run


def opened(model: TrainedModel, manager: PluginManager) -> EvalModel:
    return open_model(model.entry.id, str(model.folder), manager, warned)


@pytest.mark.parametrize("which", ["gru", "mlp"])
def test_on_its_own_validation_games_a_model_scores_what_its_run_registered(
    trained: dict[str, TrainedModel], judge: Judge, which: str
) -> None:
    model = trained[which]
    (report,) = judge(model, held_out=True).reports
    results = read_document(model.folder, model.entry.config_path)["results"]
    assert report.losses["model"].all.value == pytest.approx(model.entry.val_loss, abs=1e-6)
    found = report.as_json()
    for name in ("val_loss", "val_loss_change", "baseline_repeat", "baseline_marginal"):
        assert found[name] == pytest.approx(results[name], abs=1e-6), name
    assert report.data.frames == results["validation_frames"]
    assert report.data.change_frames == results["validation_change_frames"]
    assert sorted(row.game for row in report.games) == results["validation_games"]
    for group, nats in results["parts"].items():
        assert report.losses["model"].parts[group].value == pytest.approx(nats, abs=1e-6)
    assert report.model.registered_val_loss == model.entry.val_loss
    assert (report.data.trained_on, report.data.held_out_only) == (0, True)


def test_a_report_is_json_without_holes(trained: dict[str, TrainedModel], judge: Judge) -> None:
    (report,) = judge(trained["gru"]).reports
    again = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert again["format"] == 1
    assert again["val_loss"] == report.losses["model"].all.value
    assert set(again) >= {field.name for field in attrs.fields(EvalReport)}
    assert again["created_at"] == "2026-01-19T00:00:00Z"


def test_games_that_were_trained_on_are_named_and_counted(
    trained: dict[str, TrainedModel], judge: Judge
) -> None:
    (report,) = judge(trained["gru"]).reports
    document = read_document(trained["gru"].folder, trained["gru"].entry.config_path)
    known = {row.game for row in report.games if row.trained_on}
    assert known == set(document["data"]["training_games"])
    assert report.data.trained_on == len(known) > 0
    (line,) = [line for line in report.warnings if "trained on" in line]
    assert f"was trained on {len(known)} of these {report.data.games} games" in line
    assert "--held-out" in line


def test_a_policy_file_alone_will_do(
    trained: dict[str, TrainedModel], judge: Judge, manager: PluginManager, tmp_path: Path
) -> None:
    model = trained["mlp"]
    assert model.entry.policy_path is not None
    file = tmp_path / "somebodys_policy.safetensors"
    shutil.copy(model.folder / model.entry.policy_path, file)
    alone = open_model(str(file), str(tmp_path / "nothing"), manager, warned)
    assert alone.facts.id == "somebodys"
    assert (alone.facts.delay, alone.facts.registered_val_loss, alone.trained_on) == (3, None, None)
    (report,), (whole,) = judge(alone).reports, judge(model).reports
    assert report.losses == whole.losses
    assert report.data.trained_on is None
    assert any("it is not known which of these games" in line for line in report.warnings)
    with pytest.raises(UsageError, match=r"--held-out: .*somebodys_policy\.safetensors has no config file"):
        judge(alone, held_out=True)


@pytest.mark.parametrize("ending", [".safetensors", "_config.json", "_policy.safetensors", ".state"])
def test_any_of_its_files_will_do(
    trained: dict[str, TrainedModel], manager: PluginManager, ending: str
) -> None:
    model = trained["gru"]
    found = open_model(str(model.folder / f"{model.entry.id}{ending}"), "nowhere", manager, warned)
    assert found.facts == opened(model, manager).facts


def test_an_imported_model_without_a_record_is_judged_and_its_games_are_not_known(
    trained: dict[str, TrainedModel], manager: PluginManager, judge: Judge, tmp_path: Path
) -> None:
    model = trained["mlp"]
    for ending in (".safetensors", "_policy.safetensors"):
        shutil.copy(model.folder / f"{model.entry.id}{ending}", tmp_path / f"found{ending}")
    folder = tmp_path / "checkpoints"
    import_models(Registry(folder), tmp_path / "found.safetensors", temporal_backbones=())
    found = open_model("found", str(folder), manager, warned)
    assert (found.facts.delay, found.facts.features, found.trained_on) == (3, ("teleport",), None)
    assert judge(found).reports[0].losses == judge(model).reports[0].losses
    (folder / "found_policy.safetensors").unlink()
    with pytest.raises(ExphilError, match="found: it has no policy file, and its config file doesn't say"):
        open_model("found", str(folder), manager, warned)


def test_a_policy_whose_plugin_is_missing_names_it(trained: dict[str, TrainedModel]) -> None:
    with pytest.raises(ExphilError, match='the character feature "teleport" of exphil-char-mewtwo'):
        opened(trained["mlp"], load_plugins(without=("exphil-char-mewtwo",)))


def test_an_unfinished_run_is_judged_by_its_state(
    trained: dict[str, TrainedModel], manager: PluginManager, judge: Judge, tmp_path: Path
) -> None:
    model = trained["gru"]
    shutil.copytree(model.folder / f"{model.entry.id}.state", tmp_path / "unfinished.state")
    found = open_model(str(tmp_path / "unfinished.state"), "nowhere", manager, warned)
    (report,), (whole,) = judge(found).reports, judge(model).reports
    assert report.losses == whole.losses
    assert report.data.trained_on == whole.data.trained_on


def test_models_of_other_networks_delays_and_features_meet_on_the_same_decisions(
    trained: dict[str, TrainedModel], judge: Judge
) -> None:
    result = judge(trained["gru"], trained["mlp"])
    first, second = result.reports
    assert (first.model.delay, second.model.delay) == (0, 3)
    assert first.model.features != second.model.features
    for name in ("frames", "change_frames", "games", "sides"):
        assert getattr(first.data, name) == getattr(second.data, name)
    # What the humans did is the same, in every group.
    for name, edges in first.buttons.items():
        assert edges.human_presses == second.buttons[name].human_presses
    for dimension, groups in first.breakdown.items():
        counts = [
            {group.name: group.frames for group in each} for each in (groups, second.breakdown[dimension])
        ]
        assert counts[0] == counts[1]
    (difference,) = result.differences
    losses = [report.losses["model"].all.value for report in result.reports]
    assert difference.losses.all.value == pytest.approx(losses[0] - losses[1])
    better = sum(
        row.loss < other.loss for row in first.games for other in second.games if row.game == other.game
    )
    assert (difference.first_better, difference.games) == (better, first.data.games)
    parts = difference.losses.parts
    assert sum(part.value for part in parts.values()) == pytest.approx(difference.losses.all.value)
    stages = [group for group in difference.groups if group.dimension == "stage"]
    assert sum(group.difference.value * group.frames for group in stages) == pytest.approx(
        difference.losses.all.value * first.data.frames
    )


def test_a_model_does_not_differ_from_itself(trained: dict[str, TrainedModel], judge: Judge) -> None:
    (difference,) = judge(trained["gru"], trained["gru"]).differences
    loss = difference.losses.all
    assert (loss.value, loss.low, loss.high) == (0, 0, 0)
    assert difference.first_better == 0


def test_held_out_of_two_models_is_what_both_held_out(
    trained: dict[str, TrainedModel], judge: Judge, manager: PluginManager
) -> None:
    gru, mlp = (opened(trained[name], manager) for name in ("gru", "mlp"))
    assert gru.held_out_sides is not None
    (side,) = sorted(gru.held_out_sides)[:1]
    one_side = attrs.evolve(mlp, held_out_sides=frozenset({side}))
    report = judge(gru, one_side, held_out=True).reports[0]
    (row,) = report.games
    assert f"{row.game}:{row.scored[0]}:last" == side
    assert len(row.scored) == 1
    assert report.data.left_out["not held out"] == 6 - 1
    with pytest.raises(ExphilError, match="none of the 6 replay files can be judged on: 6 not held out"):
        judge(gru, attrs.evolve(mlp, held_out_sides=frozenset({"00:0:last"})), held_out=True)


def test_a_fine_tune_has_seen_its_parent_s_games(
    trained: dict[str, TrainedModel], manager: PluginManager, tmp_path: Path
) -> None:
    model, lines = trained["gru"], list[str]()
    document = read_document(model.folder, model.entry.config_path)
    child = {**document, "model": {**document["model"], "parent_model": model.entry.id}}
    child["data"] = {"training_games": ["ab" * 32]}
    name = f"{model.entry.id}_config.json"
    (tmp_path / name).write_text(json.dumps(child))
    assert model.entry.policy_path is not None
    shutil.copy(model.folder / model.entry.policy_path, tmp_path)
    # The parent has the child's id here: one step up it ends.
    child["model"]["parent_model"] = "gone"
    (tmp_path / name).write_text(json.dumps(child))
    found = open_model(str(tmp_path / name), str(model.folder), manager, lines.append)
    assert found.trained_on == {"ab" * 32}
    assert "descends from gone, which is not in" in lines[0]
    child["model"] |= {"parent_model": trained["mlp"].entry.id}
    (tmp_path / name).write_text(json.dumps(child))
    found = open_model(str(tmp_path / name), str(model.folder), manager, warned)
    parent = read_document(model.folder, trained["mlp"].entry.config_path)["data"]["training_games"]
    assert found.trained_on == {"ab" * 32, *parent}


def test_other_observations_are_refused(
    trained: dict[str, TrainedModel], manager: PluginManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = trained["gru"]
    from exphil_core.evaluation import models

    real = models.observation_schema
    monkeypatch.setattr(
        models, "observation_schema", lambda specs: attrs.evolve(real(specs), columns=real(specs).columns[1:])
    )
    with pytest.raises(ExphilError, match="was trained on observations of schema"):
        opened(model, manager)


def test_a_model_that_has_stopped_pressing_is_named(
    trained: dict[str, TrainedModel], manager: PluginManager, judge: Judge
) -> None:
    model = opened(trained["gru"], manager)
    (healthy,) = judge(model).reports
    assert not any("hardly presses" in line for line in healthy.warnings)
    bias: Any = model.policy.head.logits[0].bias
    with torch.no_grad():
        bias[1:] = -60.0
    (report,) = judge(model).reports
    (line,) = [line for line in report.warnings if "hardly presses" in line]
    assert line.startswith(f"{model.facts.id} hardly presses ")
    assert "A (0.00% of frames, humans " in line


def test_idle_stretches_are_never_decisions(
    trained: dict[str, TrainedModel], manager: PluginManager, short_folder: Path
) -> None:
    config = resolve(manager, flags={"replays": (str(short_folder),), "drop_idle": "false"}).config
    (games,) = games_for([opened(trained["gru"], manager)], config, SilentReporter())
    assert games.store.drop_idle


def test_damaged_weights_are_told_as_such(
    trained: dict[str, TrainedModel], manager: PluginManager, judge: Judge
) -> None:
    model = opened(trained["mlp"], manager)
    with torch.no_grad():
        model.policy.head.enter.weight[0, 0] = float("nan")
    with pytest.raises(ExphilError, match=f"{model.facts.id}: the model gives chances that are no numbers"):
        judge(model)


def test_a_sample_is_drawn_after_everything_else(trained: dict[str, TrainedModel], judge: Judge) -> None:
    (report,) = judge(trained["gru"], max_files="2", seed=1).reports
    assert report.data.games == 2
    assert report.data.left_out == {"not in the sample": 4}
    assert {row.game for row in report.games} == {
        row.game for row in judge(trained["gru"], max_files="2", seed=1).reports[0].games
    }


@pytest.mark.all_only
def test_what_is_kept_does_not_grow_with_games(
    make_policy: Callable[..., Policy], short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "UNITS", 4)
    monkeypatch.setattr(steps, "LANES", 4)
    short_games = [read_game(path) for path in sorted(short_folder.glob("*.slp"))]
    policy, kept, peaks = make_policy("mlp"), [], []
    for count in (1, 2, 6):
        games = [
            attrs.evolve(
                game, info=attrs.evolve(game.info, game_hash=f"{place * 7919 + index:08x}" + "0" * 56)
            )
            for place in range(count)
            for index, game in enumerate(short_games)
        ]
        store = build_store(games, [(0, 1)] * len(games))
        tracemalloc.start()
        scores = score(policy, store, CPU)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        kept.append(sum(array.nbytes for array in scores.units._sums.values()))
        rows = sum(array.nbytes for array in scores.games._sums.values())
        assert rows <= 250 * len(games)
    assert kept[0] == kept[1] == kept[2]
    # Three times the games: not one number more for each decision.
    decisions = sum(2 * len(game) for game in games) - sum(2 * len(game) for game in games[:12])
    assert peaks[2] - peaks[1] < 8 * decisions


def test_intervals_follow_the_number_of_draws_and_the_seed(
    trained: dict[str, TrainedModel], judge: Judge
) -> None:
    same, again, other = (
        judge(trained["mlp"], seed=seed).reports[0].losses["model"].all for seed in (0, 0, 1)
    )
    assert same == again
    assert same.value == other.value
    assert (same.low, same.high) != (other.low, other.high)
    (report,) = judge(trained["mlp"], samples=11).reports
    assert report.bootstrap.samples == 11
    assert np.isfinite([report.losses["model"].all.low, report.losses["model"].all.high]).all()
