"""`exphil plot`: what a run's metrics hold is what is drawn, in the terminal and in a picture, during a run too."""

from __future__ import annotations

import errno
import importlib.util
import json
import re
import xml.etree.ElementTree
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from exphil_core.checkpoints.config_file import write_config
from exphil_core.checkpoints.entry import ModelEntry, places, utc_text
from exphil_core.checkpoints.registry import Registry
from exphil_core.cli.main import run
from exphil_core.plotting.canvas import BLANK, BRAILLE, Canvas
from exphil_core.plotting.terminal import draw
from exphil_core.training.curves import find_run

Plot = Callable[..., tuple[int, str, str]]
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)


def line(epoch: int, **more: Any) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "step": 100 * epoch,
        "train_loss": 4 / epoch,
        "val_loss": 5 / epoch,
        "val_loss_change": 9 / epoch,
        "baseline_repeat": 4.25,
        "baseline_marginal": 7.5,
        "baseline_repeat_change": 10.125,
        "baseline_marginal_change": 9.75,
        "lr": 0.001 / epoch,
        **more,
    }


RATES = {"rates": {"predicted": {"a": 0.125, "jump": 0.0}, "actual": {"a": 0.25, "jump": 0.5}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two registered models, one of them without its metrics file, and a run in progress."""
    place = tmp_path / "checkpoints"
    Registry(place).create()
    for stem, history in (("fox/gru_20260119_123456", 3), ("mlp_20260120_123456", 2)):
        (place / stem).parent.mkdir(parents=True, exist_ok=True)
        lines = [line(epoch) for epoch in range(1, history + 1)]
        if stem.startswith("fox"):
            text = "".join(json.dumps(each) + "\n" for each in lines)
            (place / f"{stem}_metrics.jsonl").write_text(text)
        entry = ModelEntry(
            **places(stem),
            created_at=utc_text(datetime(2026, 1, 19, tzinfo=timezone.utc)),
            backbone="gru",
            temporal=True,
            hidden_sizes=(8,),
            epochs=history,
        )
        write_config(place, entry, results={"history": lines})
        Registry(place).add(entry)
    half = json.dumps(line(1)) + "\n" + json.dumps(line(2, **RATES)) + "\n" + '{"epoch": 3, "val_lo'
    (place / "going_on_metrics.jsonl").write_text(half)
    state = place / "going_on.state" / "000002"
    state.mkdir(parents=True)
    return place


@pytest.fixture
def plot(folder: Path, capsys: pytest.CaptureFixture[str]) -> Plot:
    def call(*args: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(["plot", *map(str, args), "--checkpoints", str(folder)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


@pytest.mark.parametrize(
    ("name", "stem", "epochs"),
    [
        ("fox_gru_20260119_123456", "gru_20260119_123456", [1, 2, 3]),
        ("fox", "gru_20260119_123456", [1, 2, 3]),
        ("fox/gru_20260119_123456", "gru_20260119_123456", [1, 2, 3]),
        ("going_on", "going_on", [1, 2]),
        ("going", "going_on", [1, 2]),
        ("{folder}/fox/gru_20260119_123456_metrics.jsonl", "gru_20260119_123456", [1, 2, 3]),
        ("{folder}/fox/gru_20260119_123456_config.json", "gru_20260119_123456", [1, 2, 3]),
        ("{folder}/going_on.state", "going_on", [1, 2]),
        ("{folder}/going_on.state/000002", "going_on", [1, 2]),
        # Its metrics file is gone; the config file repeats it.
        ("mlp", "mlp_20260120_123456", [1, 2]),
    ],
)
def test_a_run_is_found_by_whatever_names_it(
    plot: Plot, folder: Path, name: str, stem: str, epochs: list[int]
) -> None:
    status, out, err = plot(name.format(folder=folder), "--json")
    (found,) = json.loads(out)
    assert (status, err) == (0, "")
    assert (found["run"], found["epoch"]) == (stem, epochs)
    for metric in ("train_loss", "val_loss", "val_loss_change", "baseline_repeat", "baseline_marginal", "lr"):
        assert found[metric] == [line(epoch)[metric] for epoch in epochs]


def test_press_rates_are_those_of_the_last_epoch_that_has_them(plot: Plot, folder: Path) -> None:
    (found,) = json.loads(plot("going_on", "--json")[1])
    assert found["rates"] == [None, RATES["rates"]]
    assert find_run("going_on", folder).rates() == {"a": (0.125, 0.25), "jump": (0.0, 0.5)}
    out = plot("going_on")[1]
    bars = dict(re.findall(r"^ *(\w*) +\S*█*\S* +([\d.]+%)$", out, re.MULTILINE))
    assert bars["a"] == "12.50%"
    assert bars["jump"] == "0.00%"
    assert "press rates" not in plot("mlp")[1]


def test_the_terminal_shows_every_curve_with_its_last_value(
    plot: Plot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    status, out, err = plot("fox")
    assert (status, err) == (0, "")
    for said in (
        "train  1.3333",
        "val  1.6667",
        "repeat  4.25",
        "marginal  7.5",
        "repeat  10.125",
        "lr  0.00033333",
    ):
        assert said in out, said
    assert "\033" not in out  # no colours where nobody sees them
    assert max(map(len, out.splitlines())) <= 80
    assert any(BLANK < ord(letter) < BLANK + 256 for letter in out)
    both = plot("fox", "mlp")[1]
    for name in ("gru_20260119_123456 val", "mlp_20260120_123456 val"):
        assert both.count(name) == 2  # all frames, and those that change


def test_without_unicode_it_draws_with_ascii(folder: Path) -> None:
    runs = [find_run("going_on", folder)]
    text = "".join(piece.text for line in draw(runs, 80, fancy=False) for piece in line)
    assert text.isascii()
    assert "*" in text
    assert "=" in text  # the bars


def dots(canvas: Canvas) -> set[tuple[int, int]]:
    """Every dot that is lit, read back from the characters."""
    lit = set()
    for row, cells in enumerate(canvas.cells()):
        for column, (letter, _) in enumerate(cells):
            bits = 0 if letter == " " else ord(letter) - BLANK
            for y in range(4):
                for x in range(2):
                    if bits & BRAILLE[y][x]:
                        lit.add((2 * column + x, 4 * row + y))
    return lit


def test_a_line_goes_from_corner_to_corner() -> None:
    canvas = Canvas(10, 5, (0.0, 0.0), (19.0, 19.0))
    canvas.line([(0.0, 0.0), (19.0, 19.0)], 0)
    assert dots(canvas) == {(x, 19 - x) for x in range(20)}
    assert canvas.dot((0.0, 19.0)) == (0, 0)


def test_a_flat_line_of_one_value_is_drawn_in_the_middle() -> None:
    canvas = Canvas(4, 2, (1.0, 3.0), (2.0, 3.0))
    canvas.line([(1.0, 3.0), (2.0, 3.0)], 0)
    assert dots(canvas) == {(x, 4) for x in range(8)}


@needs_matplotlib
def test_a_picture_is_what_its_name_says(plot: Plot, tmp_path: Path) -> None:
    from PIL import Image

    assert plot("fox", "going_on", "--out", tmp_path / "a.PNG")[:2] == (0, f"wrote {tmp_path / 'a.PNG'}\n")
    with Image.open(tmp_path / "a.PNG") as picture:
        assert picture.format == "PNG"
        assert picture.height > picture.width
    assert plot("fox", "--out", tmp_path / "a.svg")[0] == 0
    first = (tmp_path / "a.svg").read_bytes()
    assert xml.etree.ElementTree.fromstring(first).tag.endswith("svg")


@needs_matplotlib
def test_a_full_disk_leaves_the_picture_that_was_there(
    plot: Plot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    out = tmp_path / "pictures" / "a.svg"
    out.parent.mkdir()
    out.write_text("old")

    def full(self: Figure, file: Any, **kwargs: Any) -> None:
        with file if hasattr(file, "write") else Path(file).open("wb") as opened:
            opened.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    assert plot("fox", "--out", out) == (1, "", f"exphil: {out}: No space left on device\n")
    assert [(path.name, path.read_text()) for path in out.parent.iterdir()] == [("a.svg", "old")]


@needs_matplotlib
def test_a_picture_s_curves_are_the_metrics(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from matplotlib.figure import Figure

    from exphil_core.plotting.picture import draw_picture

    drawn: list[Figure] = []
    real = Figure.savefig

    def spy(self: Figure, *args: Any, **kwargs: Any) -> None:
        drawn.append(self)
        real(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", spy)
    draw_picture([find_run("going_on", folder)], tmp_path / "a.png")
    losses, changes, rate, presses = drawn[0].axes
    curves = {str(each.get_label()): list(each.get_ydata()) for each in losses.get_lines()}
    assert curves == {"train": [4, 2], "val": [5, 2.5], "repeat": [4.25] * 2, "marginal": [7.5] * 2}
    assert {str(each.get_label()) for each in changes.get_lines()} == {"val", "repeat", "marginal"}
    assert [list(each.get_ydata()) for each in rate.get_lines()] == [[0.001, 0.0005]]
    assert [bar.get_height() for bar in presses.patches] == [0.125, 0.0, 0.25, 0.5]


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("grv",), 2, 'unknown model "grv"'),
        (("{folder}/registry.json",), 1, "registry.json: no file of a run"),
        (("{folder}",), 1, "no file of a run"),
        (("fox", "--out", "curves.gif"), 2, "--out curves.gif: the name must end in .png, .svg or .pdf"),
        (("fox", "--out", "curves"), 2, "the name must end in"),
        (("fox", "--out", "a.png", "--json"), 2, "--out and --json contradict each other"),
        (("empty",), 1, "empty: no epoch in "),
        (("broken",), 1, "broken_metrics.jsonl: not the metrics of a run"),
        (("odd",), 1, "odd_metrics.jsonl: not the metrics of a run (a line without an epoch)"),
        ((), 2, "Missing argument 'RUN…'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    plot: Plot, folder: Path, args: tuple[str, ...], status: int, said: str
) -> None:
    (folder / "empty_metrics.jsonl").touch()
    (folder / "broken_metrics.jsonl").write_text("{nonsense}\n")
    (folder / "odd_metrics.jsonl").write_text('{"epoch": "one"}\n[1]\n')
    got, out, err = plot(*(arg.format(folder=folder) for arg in args))
    assert (got, out) == (status, "")
    assert said in err
    assert err.count("\n") == 1
    assert not Path("a.png").exists()


def test_without_matplotlib_a_picture_is_refused_and_the_terminal_works(
    plot: Plot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    status, _, err = plot("fox", "--out", "a.png")
    assert (status, err.count("\n")) == (1, 1)
    assert 'pip install "exphil-core[plot]"' in err
    assert plot("fox")[0] == 0


def test_numbers_that_are_none_are_passed_over(plot: Plot, folder: Path) -> None:
    lines = [line(1, lr=None), line(2, val_loss=float("nan")), line(3)]
    text = "".join(json.dumps(each) + "\n" for each in lines)
    (folder / "gaps_metrics.jsonl").write_text(text)
    found = find_run("gaps", folder)
    assert [epoch for epoch, _ in found.series("lr")] == [2, 3]
    assert [epoch for epoch, _ in found.series("val_loss")] == [1, 3]
    assert plot("gaps")[0] == 0
