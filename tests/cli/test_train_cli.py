"""`exphil train` as a user types it: one clear line for what is wrong, nothing written, the right exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exphil_core.cli.main import run

QUICK = ["--hidden-sizes", "8", "--epochs", "1", "--max-steps", "3"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("args", "status", "says"),
    [
        (["--replays", "nowhere"], 1, 'there is no file or folder "nowhere"'),
        (["--replays", "empty"], 1, 'no .slp files in "empty"'),
        (["--preset", "quik"], 2, 'unknown preset "quik" (did you mean "quick"?)'),
        (["--epochs", "0"], 2, "epochs: 0 must be at least 1 (flag)"),
        (["--epochs", "1.5"], 2, 'epochs: "1.5" is not a whole number (flag)'),
        (["--backbone", "nope"], 2, 'unknown backbone "nope" (there are:'),
        (["--backbone", "gruu"], 2, 'unknown backbone "gruu" (did you mean "gru"?)'),
        (["--epoch", "3"], 2, "Did you mean"),
        (["--resume"], 2, "Option '--resume' requires an argument: --replays is another option."),
        (
            ["--max-steps", "--demo"],
            2,
            "Option '--max-steps' requires an argument: --demo is another option.",
        ),
        (["--naming", "hybird"], 2, 'did you mean "hybrid"?'),
        (
            ["--no-temporal", "--backbone", "gru"],
            2,
            "temporal and backbone contradict each other: --no-temporal (flag)",
        ),
        (["--max-time", "soon"], 2, 'max_time: "soon" is not a duration'),
        (["--backbone-option", "x"], 2, '"x" must look like name=value'),
        (["--hidden-sizes", ","], 2, "hidden_sizes: "),
        (["--seed", "9" * 30], 2, "seed: "),
        (["--threads", "9" * 12], 2, "threads: "),
        (["--lr", "1e300"], 2, "lr: 1e+300 must be above 0 and at most 10"),
        (["--window-size", "9" * 20], 2, "window_size: "),
        (["--character", ""], 2, 'character: "" is empty'),
        (["--checkpoints", ""], 2, 'checkpoints: "" is empty'),
        (["--replays", ""], 2, 'replays: "" is empty'),
        (["--replays", "~nosuchuser/x"], 1, "there is no such user's home"),
        (["--checkpoints", "~nosuchuser/x"], 1, "there is no such user's home"),
        (["--config", "gone.toml"], 1, 'there is no file "gone.toml"'),
        (["--weights", "gone.csv"], 1, "--weights gone.csv: No such file"),
        (["--weights", "gone.csv", "--dry-run"], 1, "--weights gone.csv: No such file"),
        (["--exclude-file", "gone.txt", "--dry-run"], 1, "--exclude-file gone.txt: No such file"),
        (["--device", "cuda"], 1, "torch sees no CUDA device here"),
        ([], 2, "no replays: give --replays PATH…, or --demo"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(
    args: list[str], status: int, says: str, tmp_path: Path, demo_folder: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (tmp_path / "empty").mkdir()
    if args and "--replays" not in args:
        args = [*args, "--replays", str(demo_folder)]
    assert run(["train", *args]) == status
    complaints = [line for line in capsys.readouterr().err.splitlines() if line.startswith("exphil: ")]
    assert len(complaints) == 1
    assert says in complaints[0]
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]


def test_demo_and_replays_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--demo", "--replays", "x"]) == 2
    assert "give either --demo or --replays" in capsys.readouterr().err


def test_replays_of_a_file_are_told_to_be_left_out_of_a_demo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.toml").write_text('replays = ["x"]\n')
    assert run(["train", "--demo", "--config", str(tmp_path / "mine.toml"), "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "warning: replays (file mine.toml) are not read: --demo makes its own" in said.err
    assert "would make demo games" in said.out


@pytest.mark.parametrize("args", [["--checkpoints", "afile/x"], ["--device", "cuda"]])
def test_demo_games_are_made_only_if_a_model_can_be(
    args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (tmp_path / "afile").touch()
    assert run(["train", "--demo", *args]) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["afile"]


def test_a_reader_of_stderr_that_goes_away_costs_nothing(demo_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "exphil_core", "train", "--replays", str(demo_folder), "--epochs", "3"]
    process = subprocess.Popen(
        [*command, "--backbone", "mlp", "--hidden-sizes", "8", "--max-files", "3", "--progress", "plain"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
    )
    assert process.stderr is not None
    next(line for line in process.stderr if line.startswith("epoch 1:"))
    process.stderr.close()
    process.wait(timeout=300)
    (model,) = json.loads((tmp_path / "checkpoints/registry.json").read_text())["models"]
    assert model["epochs"] == 3


def test_a_run_reports_origins_and_registers(
    demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.slp"
    bad.write_bytes(b"nonsense")
    args = [
        "train",
        "--replays",
        str(demo_folder),
        str(bad),
        "--preset",
        "standard",
        "--tag",
        "a",
        "--tag",
        "b",
    ]
    assert run([*args, *QUICK]) == 0
    captured = capsys.readouterr()
    assert "hidden_sizes = 8  (flag)" in captured.err
    assert "backbone = mlp  (preset standard (exphil-core))" in captured.err
    assert "left out bad.slp: unreadable" in captured.err
    assert "6 games" in captured.err
    assert captured.out.startswith("registered mlp_")
    (model,) = json.loads((tmp_path / "checkpoints/registry.json").read_text())["models"]
    assert model["tags"] == ["a", "b"]
    assert run(["registry", "list"]) == 0
    assert model["id"] in capsys.readouterr().out
    assert run(["registry", "show", model["id"], "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert "val_loss" in json.dumps(shown)


@pytest.mark.parametrize(
    ("mode", "bars", "epochs"), [("plain", False, True), ("none", False, True), ("rich", True, True)]
)
def test_progress(
    mode: str, bars: bool, epochs: bool, demo_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "--replays", str(demo_folder), "--progress", mode, "--backbone", "mlp", *QUICK]) == 0
    captured = capfd.readouterr()
    assert ("epoch 1: train" in captured.err) == epochs
    assert ("━" in captured.err) == bars
    # Plain lines come every ten seconds, so whether there are any depends on the machine.
    assert mode != "none" or "epoch 1/1" not in captured.err
    assert captured.out.count("\n") == 2


def test_a_dry_run_changes_nothing(
    demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(demo_folder)
    assert run(["train", "--replays", str(demo_folder), "--dry-run", "--preset", "full"]) == 0
    out = capsys.readouterr().out
    assert "parameters" in out
    assert "would read: 6 files" in out
    assert "would write: checkpoints" in out
    assert contents(demo_folder) == before
    assert not list(tmp_path.iterdir())


def test_settings_from_a_file_and_from_a_model(
    demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.toml").write_text(
        f'replays = ["{demo_folder.as_posix()}"]\nhidden_sizes = [8]\nmax_steps = 2\n'
    )
    assert run(["train", "--config", "run.toml", "--seed", "4", "--backbone", "mlp"]) == 0
    first = json.loads(next(tmp_path.glob("checkpoints/*_config.json")).read_text())
    assert (first["config"]["hidden_sizes"], first["config"]["seed"]) == ([8], 4)
    config = next(tmp_path.glob("checkpoints/*_config.json"))
    assert run(["train", "--config", str(config)]) == 0
    models = json.loads((tmp_path / "checkpoints/registry.json").read_text())["models"]
    assert len({model["sha256"]["weights"] for model in models}) == 1
    capsys.readouterr()
    assert run(["config", "diff", models[0]["id"], "run.toml"]) == 0
    assert "seed" in capsys.readouterr().out
    assert run(["config", "show", models[0]["id"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == {"value": 4, "origin": "flag"}


def test_a_file_s_preset_that_a_flag_replaces_is_told(
    demo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run.toml").write_text('preset = "standard"\nepochs = 3\n')
    words = ["train", "--replays", str(demo_folder), "--config", "run.toml", "--dry-run"]
    said = "warning: preset standard of file run.toml does nothing beside --preset quick"
    for preset, told in (["--preset", "quick"], True), (["--preset", "standard"], False), ([], False):
        assert run([*words, *preset]) == 0
        assert (said in capsys.readouterr().err.splitlines()) == told


def test_config_check_finds_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.toml").write_text("epochs = 0\nlr = true\n")
    assert run(["config", "check", "bad.toml"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "exphil: epochs: 0 must be at least 1 (file bad.toml)",
        "exphil: lr: True is not a number (file bad.toml)",
    ]
    (tmp_path / "good.toml").write_text('preset = "quick"\nwindow_size = 300\nbackbone = "gru"\n')
    assert run(["config", "check", "good.toml"]) == 0
    captured = capsys.readouterr()
    assert "warning: window_size 300 is long" in captured.err
    assert "preset quick" in captured.out


def test_demo_makes_its_own_replays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from exphil_core.cli import train

    monkeypatch.setattr(train, "DEMO_GAMES", 3)
    monkeypatch.setattr(train, "DEMO_MINUTES", 0.2)
    assert run(["train", "--demo", "--backbone", "mlp", *QUICK]) == 0
    assert "made 3 demo games" in capsys.readouterr().err
    assert len(list((tmp_path / "demo/replays").glob("*.slp"))) == 3


def test_replays_demo_and_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--games", "2", "--minutes", "0.1", "--seed", "3", "--characters", "fox,mewtwo", "--stages", "fd"]
    assert run(["replays", "demo", "games", *args]) == 0
    files = sorted((tmp_path / "games").glob("*.slp"))
    assert len(files) == 2
    assert run(["replays", "demo", "again", *args]) == 0
    assert [p.read_bytes() for p in files] == [
        p.read_bytes() for p in sorted((tmp_path / "again").glob("*.slp"))
    ]
    capsys.readouterr()
    assert run(["replays", "show", str(files[0]), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["stage"] == "Final Destination"
    assert {player["character"] for player in facts["players"]} <= {"Fox", "Mewtwo"}
    assert run(["replays", "demo", "none", "--games", "0"]) == 2
    assert run(["replays", "demo", "none", "--characters", "foxx"]) == 2
    assert 'did you mean "fox"' in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals are sent differently on Windows")
@pytest.mark.parametrize(
    "name", ["SIGINT", *(pytest.param(name, marks=pytest.mark.all_only) for name in ("SIGTERM", "SIGHUP"))]
)
def test_a_signal_during_a_run_saves_its_state_and_says_how_to_go_on(
    demo_folder: Path, tmp_path: Path, name: str
) -> None:
    command = [sys.executable, "-m", "exphil_core", "train", "--replays", str(demo_folder), "--epochs", "500"]
    process = subprocess.Popen(
        [*command, "--backbone", "mlp", "--hidden-sizes", "8", "--max-files", "3", "--progress", "plain"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch 2:"):
            break
    # At once, and again while the model is being written.
    for pause in (0.0, 0.01, 0.02):
        time.sleep(pause)
        process.send_signal(getattr(signal, name))
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    go_on, keep = out.splitlines()
    assert go_on.startswith("go on:  exphil train --resume checkpoints/mlp_")
    assert json.loads((tmp_path / "checkpoints/registry.json").read_text())["models"] == []
    # What it says works: the best epoch so far becomes a model.
    assert run(keep.split("exphil ", 1)[1].split()) == 0
    (model,) = json.loads((tmp_path / "checkpoints/registry.json").read_text())["models"]
    assert 2 <= model["epochs"] < 500
