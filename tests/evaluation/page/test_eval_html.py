"""`exphil eval --html` as a user meets it: the page holds what the command found, and plays the game asked for."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exphil_core.cli.main import run as exphil
from exphil_core.config.resolve import resolve
from exphil_core.errors import ExphilError
from exphil_core.evaluation.models import open_model
from exphil_core.evaluation.page.write import read_again
from exphil_core.evaluation.report import GameRow
from exphil_core.evaluation.timeline import timeline
from exphil_core.plugin_manager import PluginManager
from exphil_core.training.run import TrainedModel

Eval = Callable[..., tuple[int, str, str]]


@pytest.fixture
def evaluate(trained: dict[str, TrainedModel], capsys: pytest.CaptureFixture[str]) -> Eval:
    def run(model: str, *args: str) -> tuple[int, str, str]:
        entry = trained[model].entry
        words = ["--checkpoints", str(trained[model].folder), "--bootstrap", "20", "--progress", "none"]
        status = exphil(["eval", entry.id, *args, *words])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def data_of(path: Path) -> Any:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.S
    )
    assert found
    return json.loads(found[1])


def test_the_page_holds_what_json_says(evaluate: Eval, short_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    status, said, told = evaluate("gru", "--replays", str(short_folder), "--html", str(out), "--json")
    assert status == 0
    data, report = data_of(out), json.loads(said)
    assert data["report"] == report
    assert [epoch["epoch"] for epoch in data["history"]] == [1]
    shown = data["view"]["file"]
    assert shown in [game["file"] for game in report["games"]]
    assert f"wrote {out} (" in told
    assert f"which plays {shown}: open it in a browser" in told


@pytest.mark.parametrize("model", ["gru", "mlp"])
def test_the_game_played_is_the_one_asked_for_with_the_loss_it_had(
    evaluate: Eval,
    trained: dict[str, TrainedModel],
    manager: PluginManager,
    short_folder: Path,
    tmp_path: Path,
    model: str,
) -> None:
    """The mlp has a reaction delay and a character feature."""
    out = tmp_path / "page.html"
    status, _, _ = evaluate(model, "--replays", str(short_folder), "--html", str(out), "--game", "2")
    assert status == 0
    data = data_of(out)
    row, view = data["report"]["games"][1], data["view"]
    assert view["file"] == row["file"]
    assert view["delay"] == {"gru": 0, "mlp": 3}[model]
    assert view["fighter"] == row["scored"][0]
    # The row is of all sides that were judged, the page shows the first of them.
    opened = open_model(trained[model].entry.id, str(trained[model].folder), manager, print)
    config = resolve(manager, flags={"replays": (str(short_folder),)}).config
    game = read_again(GameRow(**{**row, "players": tuple(row["players"])}), config)
    lines = [
        timeline(opened.policy, game, side, delay=opened.facts.delay, features=opened.features)
        for side in row["scored"]
    ]
    examples = [int(line.example_T.sum()) for line in lines]
    whole = sum(line.loss * count for line, count in zip(lines, examples, strict=True)) / sum(examples)
    assert sum(examples) == row["frames"]
    assert whole == pytest.approx(row["loss"], abs=1e-5)
    assert (view["loss"], view["examples"]) == (pytest.approx(lines[0].loss, abs=1e-6), examples[0])


def test_a_part_of_a_name_picks_a_game_out_of_an_archive(
    evaluate: Eval, short_folder: Path, tmp_path: Path
) -> None:
    archive, out = tmp_path / "set.zip", tmp_path / "page.html"
    with zipfile.ZipFile(archive, "w") as writing:
        for file in sorted(short_folder.glob("*.slp")):
            writing.write(file, f"games/{file.name}")
    name = sorted(short_folder.glob("*.slp"))[3].name
    status, _, _ = evaluate("gru", "--replays", str(archive), "--html", str(out), "--game", name[:14])
    assert status == 0
    assert data_of(out)["view"]["file"] == f"set.zip!games/{name}"


def test_a_policy_file_alone_makes_a_page_without_curves(
    trained: dict[str, TrainedModel], short_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = trained["gru"]
    alone, out = tmp_path / "alone_policy.safetensors", tmp_path / "page.html"
    shutil.copy(model.folder / str(model.entry.policy_path), alone)
    words = ["--replays", str(short_folder), "--html", str(out), "--bootstrap", "20", "--progress", "none"]
    assert exphil(["eval", str(alone), *words]) == 0
    capsys.readouterr()
    assert data_of(out)["history"] == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--game", "1"), "--game says which game the page of --html shows: add --html OUT"),
        (("--html", "nowhere/page.html"), "there is no folder nowhere; make it first"),
        (("--html", "page.html", "--compare", "mlp_2026"), "--html shows one model, not 2"),
        (("--html", os.devnull), f"--html {os.devnull}: that is no regular file"),
    ],
)
def test_flags_that_make_no_sense_are_refused_at_once(
    evaluate: Eval,
    short_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, told = evaluate("gru", "--replays", str(short_folder), *args)
    assert status == 2
    assert said in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("game", "said"),
    [("99", "numbered from 1"), ("nobody", "no game's name holds that"), ("demo", "may be any of")],
)
def test_a_game_that_is_none_is_refused_before_anything_is_judged(
    evaluate: Eval,
    short_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    game: str,
    said: str,
) -> None:
    monkeypatch.setattr("exphil_core.evaluation.evaluate.evaluate", lambda *_: pytest.fail("judged"))
    out = tmp_path / "page.html"
    status, _, told = evaluate("gru", "--replays", str(short_folder), "--html", str(out), "--game", game)
    assert status == 2
    assert f"--game {game}" in told
    assert said in told
    assert not out.exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder that even root can't write to")
def test_a_place_that_nothing_can_be_written_to_is_refused_before_anything_is_judged(
    evaluate: Eval, short_folder: Path
) -> None:
    status, said, told = evaluate("gru", "--replays", str(short_folder), "--html", "/proc/page.html")
    assert (status, said) == (1, "")
    assert told == (
        "exphil: --html /proc/page.html: nothing can be written there: No such file or directory\n"
    )


def test_the_figures_are_there_though_the_page_can_t_be_written(
    evaluate: Eval, short_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "page.html")

    monkeypatch.setattr("exphil_core.evaluation.page.write.write_bytes", full)
    out = str(tmp_path / "page.html")
    status, said, told = evaluate("gru", "--replays", str(short_folder), "--html", out, "--json")
    assert status == 1
    assert json.loads(said)["data"]["games"] > 0
    assert told.endswith("exphil: page.html: No space left on device\n")


def test_a_game_that_went_away_meanwhile_is_named(
    manager: PluginManager, short_folder: Path, tmp_path: Path
) -> None:
    file = sorted(short_folder.glob("*.slp"))[0]
    shutil.copy(file, tmp_path / file.name)
    config = resolve(manager, flags={"replays": (str(tmp_path),)}).config
    row: Any = GameRow(
        game="0" * 64, file=file.name, stage="", players=("", ""), scored=(0,), trained_on=None, frames=1,
        change_frames=0, loss=1.0, loss_change=None, repeat=1.0, parts={},
    )  # fmt: skip
    with pytest.raises(ExphilError, match=f"{file.name}: no longer there, or changed"):
        read_again(row, config)
