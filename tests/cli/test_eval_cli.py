"""`exphil eval` as a user meets it: figures on stdout, the rest on stderr, and one clear line for what is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from exphil_core.cli.main import run as exphil
from exphil_core.config.resolve import resolve
from exphil_core.plugin_manager import PluginManager
from exphil_core.sandbox import make_replays
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.run import TrainedModel, train

NOW = datetime(2026, 1, 19, 12, 34, 56, tzinfo=timezone.utc)
GRU, MLP = "gru_20260119_123456", "mlp_20260119_123456"
Eval = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def short_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six demo games of eight seconds each."""
    folder = tmp_path_factory.mktemp("short")
    make_replays(folder, games=6, minutes=0.13, seed=7)
    return folder


@pytest.fixture(scope="module")
def models(
    manager: PluginManager, short_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, TrainedModel]:
    folder = tmp_path_factory.mktemp("models") / "checkpoints"
    found = {}
    for backbone, flags in (("gru", {"hidden_sizes": "8"}), ("mlp", {"hidden_sizes": "8", "delay": "2"})):
        given = {
            "replays": (str(short_folder),), "checkpoints": str(folder), "backbone": backbone, "epochs": "1",
            "max_steps": "3", "batch_size": "4" if backbone == "gru" else "256", **flags,
        }  # fmt: skip
        model = train(resolve(manager, flags=given), manager, SilentReporter(), now=NOW)
        assert isinstance(model, TrainedModel)
        found[model.entry.id] = model
    return found


@pytest.fixture
def evaluate(models: dict[str, TrainedModel], short_folder: Path, capsys: pytest.CaptureFixture[str]) -> Eval:
    """Runs `exphil eval`; `REPLAYS` stands for the demo games."""

    def run(*args: str) -> tuple[int, str, str]:
        folder = models[GRU].folder
        words = [str(short_folder) if arg == "REPLAYS" else arg for arg in args]
        draws = [] if "--bootstrap" in words else ["--bootstrap", "20"]
        status = exphil(["eval", *words, "--checkpoints", str(folder), *draws])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def report(out: str) -> Any:
    return json.loads(out)


def test_a_model_is_judged_in_full(evaluate: Eval, models: dict[str, TrainedModel]) -> None:
    status, out, err = evaluate("gru_2026", "--replays", "REPLAYS", "--held-out")
    assert status == 0
    first, second = out.splitlines()[:2]
    val_loss = models[GRU].entry.val_loss
    assert first.startswith(f"{GRU}: gru 8, ")
    assert f"val_loss {val_loss:.4f} in its run" in first
    assert second.endswith("left out 5: 5 not held out")
    line = next(line for line in out.splitlines() if line.startswith("model "))
    assert line.split()[1] == f"{val_loss:.3f}"
    for title in (
        "Loss, nats a frame", "Loss by part", "How often the likeliest", "Held, share", "Sticks", "By character",
        "By opponent", "By stage", "By situation", "Games, the worst first",
    ):  # fmt: skip
        assert any(line.startswith(title) for line in out.splitlines()), title
    assert "warning: 1 game is few" in err
    assert "trained on" not in err


def test_without_held_out_the_user_is_warned_of_games_that_were_trained_on(evaluate: Eval) -> None:
    status, out, err = evaluate(GRU, "--replays", "REPLAYS", "--json")
    assert status == 0
    assert f"warning: {GRU} was trained on 5 of these 6 games" in err
    assert report(out)["data"]["trained_on"] == 5
    assert report(out)["data"]["games"] == 6


def test_json_goes_to_stdout_and_nothing_else_does(evaluate: Eval) -> None:
    status, out, _ = evaluate(GRU, "--replays", "REPLAYS", "--held-out", "--json", "--progress", "plain")
    assert status == 0
    assert report(out)["model"]["id"] == GRU


@pytest.mark.parametrize("words", [[GRU, "--compare", MLP], ["--compare", GRU, MLP]])
def test_models_are_compared_in_pairs_however_they_are_given(evaluate: Eval, words: list[str]) -> None:
    status, out, _ = evaluate(*words, "--replays", "REPLAYS", "--json")
    assert status == 0
    found = report(out)
    assert [model["model"]["id"] for model in found["models"]] == [GRU, MLP]
    (difference,) = found["differences"]
    assert (difference["first"], difference["second"]) == (GRU, MLP)
    losses = [model["val_loss"] for model in found["models"]]
    assert difference["losses"]["all"]["value"] == pytest.approx(losses[0] - losses[1])


def test_a_model_that_is_named_twice_is_judged_once(evaluate: Eval, models: dict[str, TrainedModel]) -> None:
    file = str(models[GRU].folder / f"{GRU}_policy.safetensors")
    status, out, _ = evaluate(GRU, "--compare", MLP, file, "--replays", "REPLAYS", "--json")
    assert status == 0
    assert [model["model"]["id"] for model in report(out)["models"]] == [GRU, MLP]


def test_a_comparison_says_who_is_better_and_how_surely(evaluate: Eval) -> None:
    status, out, _ = evaluate("--compare", GRU, MLP, "--replays", "REPLAYS")
    assert status == 0
    (title,) = [line for line in out.splitlines() if line.startswith(f"{GRU} less {MLP}")]
    assert "of 6 games" in title
    rows = out[out.index(title) :].splitlines()[2:]
    assert rows[0].startswith("all frames ")
    assert " to " in rows[0]
    assert any(line.startswith("situation ") for line in rows)


def test_filters_say_which_sides_and_games(evaluate: Eval) -> None:
    _, out, _ = evaluate(GRU, "--replays", "REPLAYS", "--json")
    everything = report(out)
    fighter = everything["breakdown"]["character"][0]["name"]
    stage = everything["games"][0]["stage"]
    _, out, _ = evaluate(GRU, "--replays", "REPLAYS", "--json", "--character", fighter)
    (group,) = report(out)["breakdown"]["character"]
    assert (group["name"], report(out)["data"]["character"]) == (fighter, fighter)
    _, out, _ = evaluate(GRU, "--replays", "REPLAYS", "--json", "--stage", stage)
    assert {row["stage"] for row in report(out)["games"]} == {stage}
    assert report(out)["data"]["left_out"].keys() <= {"another stage"}
    _, out, _ = evaluate(GRU, "--replays", "REPLAYS", "--json", "--max-files", "3")
    assert len(report(out)["games"]) == 3
    _, out, _ = evaluate(GRU, "--replays", "REPLAYS", "--json", "--max-files", "1")
    assert len(report(out)["games"]) == 1
    _, out, _ = evaluate(GRU, "--replays", "REPLAYS", "--json", "--winner-only")
    assert report(out)["data"]["sides"] < everything["data"]["sides"]


def test_a_character_s_model_is_judged_as_that_character(
    evaluate: Eval, models: dict[str, TrainedModel], tmp_path: Path
) -> None:
    _, out, _ = evaluate(GRU, "--replays", "REPLAYS", "--json")
    fighter = report(out)["breakdown"]["character"][0]["name"]
    config = json.loads((models[GRU].folder / f"{GRU}_config.json").read_text())
    config["config"]["character"] = fighter
    (tmp_path / f"{GRU}_config.json").write_text(json.dumps(config))
    shutil.copy(models[GRU].folder / f"{GRU}_policy.safetensors", tmp_path)
    file = str(tmp_path / f"{GRU}_policy.safetensors")
    _, out, _ = evaluate(file, "--replays", "REPLAYS", "--json")
    assert [group["name"] for group in report(out)["breakdown"]["character"]] == [fighter]
    _, out, _ = evaluate(file, "--replays", "REPLAYS", "--json", "--character", "none")
    assert len(report(out)["breakdown"]["character"]) > 1


def test_models_of_two_characters_are_compared_on_every_side(
    evaluate: Eval, models: dict[str, TrainedModel], tmp_path: Path
) -> None:
    for name, fighter in ((GRU, "fox"), (MLP, "marth")):
        config = json.loads((models[name].folder / f"{name}_config.json").read_text())
        config["config"]["character"] = fighter
        (tmp_path / f"{name}_config.json").write_text(json.dumps(config))
        shutil.copy(models[name].folder / f"{name}_policy.safetensors", tmp_path)
    files = [str(tmp_path / f"{name}_policy.safetensors") for name in (GRU, MLP)]
    status, out, err = evaluate(*files, "--replays", "REPLAYS", "--json")
    assert status == 0
    assert "--character: the models were trained with fox, marth; taking every human side" in err
    assert [model["data"]["sides"] for model in report(out)["models"]] == [12, 12]


def test_streaming_gives_the_same_figures(evaluate: Eval) -> None:
    found = [
        report(evaluate(GRU, "--replays", "REPLAYS", "--held-out", "--json", *more)[1])
        for more in ([], ["--streaming"])
    ]
    assert found[0]["val_loss"] == pytest.approx(found[1]["val_loss"], abs=1e-5)
    assert found[0]["buttons"]["A"]["model_per_minute"]["value"] == pytest.approx(
        found[1]["buttons"]["A"]["model_per_minute"]["value"], rel=1e-4
    )


def test_the_seed_draws_other_games(evaluate: Eval) -> None:
    found = [
        report(evaluate(GRU, "--replays", "REPLAYS", "--json", "--seed", seed)[1])["losses"]["model"]["all"]
        for seed in ("1", "1", "2")
    ]
    assert found[0] == found[1]
    assert found[0]["low"] != found[2]["low"]
    assert found[0]["value"] == found[2]["value"]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--replays", "REPLAYS"], 2, "no model: give its id or one of its files"),
        ([GRU], 2, "no replays: give --replays PATH…"),
        (["gru_2062", "--replays", "REPLAYS"], 2, 'unknown model "gru_2062"'),
        ([GRU, "--replays", "nowhere"], 1, 'there is no file or folder "nowhere"'),
        ([GRU, "--replays", "REPLAYS", "--stage", "batlefield"], 2, 'did you mean "battlefield"?'),
        ([GRU, "--replays", "REPLAYS", "--threads", "0"], 2, "threads: 0 must be from 1 to 1024"),
        ([GRU, "--replays", "REPLAYS", "--min-frames", "99999"], 1, "can be judged on: 6 shorter than --min-frames"),
        ([GRU, "--replays", "bad.slp"], 1, "1 unreadable; `exphil replays scan PATH --files` names each"),
        ([GRU, "--replays", "REPLAYS", "--bootstrap", "5"], 2, "--bootstrap"),
        (["notes.txt", "--replays", "REPLAYS"], 1, "notes.txt: not a model's file"),
        (["bad_policy.safetensors", "--replays", "REPLAYS"], 1, "bad_policy.safetensors: damaged or no safetensors"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(
    evaluate: Eval, words: list[str], status: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("nothing")
    for name in ("bad_policy.safetensors", "bad.slp"):
        Path(name).write_text("nothing")
    found, out, err = evaluate(*words, "--progress", "none")
    assert found == status
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("exphil: ")
    assert says in line
