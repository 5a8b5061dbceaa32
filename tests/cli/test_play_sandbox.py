"""`exphil play MODEL --sandbox`: every flag does what it says, the same seed gives the same result, and games can be
watched."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exphil_core.cli.main import run
from exphil_core.melee.stages import BY_NAME
from exphil_core.replays.slp import read_game

Play = Callable[..., tuple[int, str, str]]
SHORT = ("--sandbox", "--games", "4", "--minutes", "0.05", "--seed", "1", "--progress", "none")


@pytest.fixture
def play(capsys: pytest.CaptureFixture[str]) -> Play:
    def call(*args: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(["play", *map(str, args)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def results(play: Play) -> Callable[..., dict[str, Any]]:
    """What a short match between built-in players says in JSON; later flags win."""

    def call(*args: object) -> dict[str, Any]:
        status, out, err = play("repeat", *SHORT, "--json", *args)
        assert status == 0, err
        found: dict[str, Any] = json.loads(out)
        return found

    return call


def test_a_match_is_told_as_a_table_with_intervals(play: Play) -> None:
    status, out, err = play("scripted", *SHORT)
    assert (status, err) == (0, "")
    assert "scripted against scripted" in out
    assert "seed 1" in out
    for figure in (r"stocks left +\d\.\d\d \(", r"damage dealt +\d+ \(", r"4 games of 0\.1 minutes: won \d"):
        assert re.search(figure, out), figure


def test_the_same_seed_gives_the_same_and_another_seed_another(
    results: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    first = results("--opponent", "random", "--save-replays", tmp_path / "a")
    again = results("--opponent", "random", "--save-replays", tmp_path / "b", "--batch", "2")
    other = results("--opponent", "random", "--seed", "2")
    assert first == again
    assert other["results"] != first["results"]
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 4
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_without_a_seed_each_match_is_another_and_says_which(play: Play) -> None:
    seeds = set()
    for _ in range(2):
        short = [arg for arg in SHORT if arg not in ("--seed", "1")]
        _, out, _ = play("scripted", *short, "--json")
        seeds.add(json.loads(out)["seed"])
    assert len(seeds) == 2


def test_characters_stage_games_and_minutes_are_those_asked_for(
    results: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    flags = ("--character", "ics", "--opponent-character", "Samus", "--stage", "FD", "--games", "3")
    found = results(*flags, "--minutes", "0.1", "--save-replays", tmp_path)
    assert {(r["character"], r["opponent"], r["stage"]) for r in found["results"]} == {
        ("iceclimbers", "samus", "finaldestination")
    }
    assert len(found["results"]) == 3
    assert all(r["seconds"] == pytest.approx(6 + 124 / 60, abs=0.02) for r in found["results"])
    for path in tmp_path.iterdir():
        game = read_game(path)
        assert game.info.stage is BY_NAME["finaldestination"]
        assert {player.tag for player in game.info.players} == {"repeat", "scripted"}


def test_by_default_the_demo_games_four_play_on_all_stages(results: Callable[..., dict[str, Any]]) -> None:
    found = results("--games", "24", "--minutes", "0.01")["results"]
    assert {r["character"] for r in found} == {"fox", "falco", "marth", "mewtwo"}
    assert len({r["stage"] for r in found}) > 4
    assert {r["port"] for r in found} == {1, 2}


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("nobody", "--sandbox"), 2, "nobody"),
        (("scripted", "--sandbox", "--opponent", "scriptd"), 2, 'did you mean "scripted"?'),
        (("scripted", "--sandbox", "--character", "foks"), 2, 'unknown character "foks"'),
        (("scripted", "--sandbox", "--stage", "hyrule"), 2, 'unknown stage "hyrule"'),
        (("scripted", "--sandbox", "--minutes", "0"), 2, "--minutes"),
        (("scripted", "--sandbox", "--games", "0"), 2, "--games"),
        (("scripted", "--sandbox", "--seed", "-1"), 2, "--seed"),
        (("scripted", "--sandbox", "--batch", "0"), 2, "--batch"),
        (("scripted", "--sandbox", "--watch", "--json"), 2, "--watch and --json"),
        (("scripted", "--sandbox", "--watch", "--batch", "4"), 2, "leave --batch out"),
        (("scripted", "--sandbox", "--watch"), 1, "--save-replays DIR"),
        (("scripted", "--sandbox", "--iso", "x"), 2, "--iso: goes with --dolphin"),
        (("absent_policy.safetensors", "--sandbox"), 1, "absent_policy.safetensors: no such file"),
    ],
)
def test_bad_requests_say_what_is_wrong(play: Play, args: tuple[str, ...], status: int, said: str) -> None:
    found, out, err = play(*args)
    assert (found, out) == (status, "")
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_temperature_without_a_model_is_told_to_do_nothing(play: Play) -> None:
    said = "warning: --temperature does nothing where no model plays\n"
    for flags, warned in ((("--temperature", "0.3"), said), ((), "")):
        status, _, err = play("scripted", *SHORT, *flags)
        assert (status, err) == (0, warned)


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_played(
    play: Play, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    status, out, err = play("scripted", *SHORT, "--save-replays", tmp_path / "file" / "games")
    assert (status, out) == (1, "")
    assert "file" in err


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from exphil_core.cli.main import run; run(['play', '--help']); print(sys.modules.keys())"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "--opponent" in out
    for heavy in ("torch", "numpy", "pyarrow"):
        assert f"'{heavy}'" not in out


def in_terminal(args: list[str]) -> tuple[int, str]:
    """Exit status and all that a command writes to a terminal of 100 x 30."""
    main_end, other_end = pty.openpty()
    size = {"COLUMNS": "100", "LINES": "30", "TERM": "xterm", "PYTHONUTF8": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "exphil_core", *args],
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        env={**os.environ, **size},
    )
    os.close(other_end)
    written = b""
    while process.poll() is None or select.select([main_end], [], [], 0)[0]:
        if select.select([main_end], [], [], 0.2)[0]:
            try:
                written += os.read(main_end, 1 << 16)
            except OSError:
                break
    os.close(main_end)
    return process.wait(), written.decode("utf-8")


def test_a_game_can_be_watched_and_the_terminal_is_left_as_it_was() -> None:
    status, text = in_terminal(
        ["play", "scripted", "--sandbox", "--watch", "--minutes", "0.01", "--seed", "1", "--stage", "bf"]
    )
    assert status == 0, text
    pictures = text.split("\x1b[H")[1:]
    assert len(pictures) > 5
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", pictures[-1])
    assert "scripted" in plain
    assert "●●●●" in plain
    assert "Battlefield" in plain
    assert text.index("\x1b[?1049h") < text.index("\x1b[?1049l")
    assert text.count("\x1b[?25h") == 1
    assert "1 game of" in text.split("\x1b[?1049l")[1]
