"""`exphil play MODEL --dolphin`, as a user runs it."""

from __future__ import annotations

import configparser
import importlib.util
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from exphil_core.checkpoints.store import save_policy
from exphil_core.cli.main import run
from exphil_core.errors import ExphilError
from exphil_core.replays.controller import NEUTRAL
from exphil_core.replays.slp import read_game
from exphil_core.testing.fake_dolphin import FakeDolphin, install, read_log
from exphil_core.testing.fake_dolphin.pressed import pressed
from exphil_core.training.interrupts import ENDING

REPLAY = "games/mewtwo-fox_FD_3.19.1_46e643c5.slp"
SECONDS = 120.0


@pytest.fixture
def model(made_policy: Callable[..., Any], tmp_path: Path) -> Path:
    """A policy file of a model that was trained on Mewtwo."""
    policy = made_policy("gru", character="mewtwo")
    path = tmp_path / "m_policy.safetensors"
    save_policy(path, policy, policy.description)
    return path


@pytest.fixture
def fake(real_replays: Path, tmp_path: Path) -> Callable[..., FakeDolphin]:
    def make(**settings: Any) -> FakeDolphin:
        settings = {"replay": real_replays / REPLAY, "log": tmp_path / "fake.jsonl", **settings}
        wanted = FakeDolphin(**settings)
        install(tmp_path, wanted)
        return wanted

    return make


def flags(folder: Path, *more: str) -> list[str]:
    return [
        "play", str(folder / "m_policy.safetensors"), "--dolphin", str(folder / "fake_dolphin"),
        "--iso", str(folder / "melee.iso"), "--session", str(folder / "session"), *more,
    ]  # fmt: skip


def test_a_model_plays_a_game_and_says_how_it_went(
    model: Path, fake: Any, iso: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fake(frames=90)
    assert run(flags(tmp_path, "--cpu", "9", "--games", "1", "--seed", "4", "--temperature", "0.5")) == 0
    out = capfd.readouterr().out
    assert "mewtwo at port 1 against a CPU player of level 9 at port 2" in out
    assert re.search(r"played 1 game; a frame took .* ms \(p50\), .* ms \(p99\), .* ms at most; ", out)
    assert f"replays and log: {tmp_path / 'session'}" in out
    (replay,) = (tmp_path / "session").glob("*.slp")
    assert len(read_game(replay)) == 90
    first = json.loads((tmp_path / "session/session.jsonl").read_text().splitlines()[0])
    assert (first["seed"], first["temperature"], first["cpu"]) == (4, 0.5, 9)


def until(done: Callable[[], bool]) -> None:
    stop = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < stop
        time.sleep(0.02)


def process_of(fake: FakeDolphin) -> int:
    return int(read_log(fake.log)[0]["process"])


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.all_only)])
@pytest.mark.parametrize("everybody", [True, pytest.param(False, marks=pytest.mark.all_only)])
def test_a_signal_ends_it_cleanly_amid_a_game(
    model: Path, fake: Any, iso: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, everybody: bool,
) -> None:  # fmt: skip
    """Ctrl-C in a terminal reaches every process, `kill` one."""
    # Whether a busy machine is too slow for the model is not asked here.
    monkeypatch.setattr("exphil_core.cli.play_dolphin._TOO_SLOW", 1.0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    wanted = fake(rate=60.0, skip_menus=True)

    def strike() -> None:
        until(lambda: wanted.log.exists() and '"after": -60' in wanted.log.read_text())
        if everybody:
            os.kill(process_of(wanted), number)
            for reader in multiprocessing.active_children():
                os.kill(int(reader.pid or 0), number)
        os.kill(os.getpid(), number)

    before = {which: signal.getsignal(which) for which in ENDING}
    hand = threading.Thread(target=strike)
    hand.start()
    try:
        assert run(flags(tmp_path, "--cpu", "9", "--stall-ms", "2000")) == 130
    finally:
        hand.join()
        for which, handler in before.items():
            signal.signal(which, handler)
    said = capfd.readouterr()
    assert said.err == ""
    assert "played 0 games, interrupted; a frame took" in said.out
    with pytest.raises(ProcessLookupError):
        os.kill(process_of(wanted), 0)
    assert list(tmp_path.glob("libmelee_*")) == []
    kept = [json.loads(line) for line in (tmp_path / "session/session.jsonl").read_text().splitlines()]
    assert kept[-1]["ended"] == "interrupted"
    if not everybody:  # else Dolphin may be gone before
        lines = [
            line["lines"] for line in read_log(wanted.log) if line["what"] == "flush" and line["port"] == 1
        ]
        assert (pressed(lines)[-1] == NEUTRAL).all()


@pytest.mark.all_only
def test_a_signal_ends_a_process_of_its_own(model: Path, fake: Any, iso: Path, tmp_path: Path) -> None:
    wanted = fake(rate=60.0, skip_menus=True)
    with subprocess.Popen(
        [sys.executable, "-m", "exphil_core", *flags(tmp_path, "--cpu", "9")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as playing:
        until(lambda: wanted.log.exists() and '"after": -60' in wanted.log.read_text())
        os.killpg(playing.pid, signal.SIGINT)
        out, err = playing.communicate(timeout=SECONDS)
    assert (playing.returncode, err) == (130, "")
    assert "played 0 games, interrupted; a frame took" in out


def test_a_dolphin_that_dies_is_one_line_and_status_1(
    model: Path, fake: Any, iso: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fake(die_after=30, skip_menus=True)
    assert run(flags(tmp_path, "--cpu", "9", "--stall-ms", "300")) == 1
    assert capfd.readouterr().err.splitlines() == ["exphil: Dolphin ended (killed by signal 9)"]


WRONG = [
    (["--cpu", "9", "--iso", "nowhere.iso"], 1, "--iso nowhere.iso: no such file"),
    (["--cpu", "9", "--dolphin", "nowhere"], 1, "--dolphin nowhere: no such file or folder"),
    (["--cpu", "9", "--dolphin", "."], 1, "no Slippi Dolphin in this folder"),
    (["--cpu", "9", "--dolphin", "/bin/cat"], 1, "not Slippi's Dolphin"),
    (["--cpu", "9", "--dolphin", "melee.iso"], 1, r"not executable; chmod \+x"),
    (["--cpu", "9", "--dolphin", "silent"], 1, "can't be run: Exec format error"),
    ([], 2, r"against whom\? --cpu 9 .*, --opponent-port 2 .*, or --connect-code ABC#123"),
    (["--cpu", "10"], 2, "10 is not in the range 1<=x<=9"),
    (["--opponent-port", "1"], 2, "--opponent-port 1: the model plays there"),
    (["--cpu", "9", "--connect-code", "ABC#1"], 2, "leave --cpu and --opponent-port out"),
    (["--connect-code", "unranked"], 2, r'--connect-code "unranked": a direct code looks like ABC#123'),
    (["--connect-code", "ABC#1", "--user-json", "nobody.json"], 1, "--user-json nobody.json: no such file"),
    (["--connect-code", "ABC#1", "--port", "2"], 2, "in netplay the own controller is at port 1"),
    (["--connect-code", "ABC#1", "--character", "zelda"], 2, "zelda: libmelee can't choose her in netplay"),
    (["--cpu", "9", "--opponent-character", "sheik"], 2, "a CPU player can't be made to choose her"),
    (["--opponent-port", "2", "--opponent-character", "fox"], 2, "only a CPU player's can be chosen"),
    (["--cpu", "9", "--user-json", "x"], 2, "--user-json: goes with --connect-code"),
    (["--cpu", "9", "--character", "foxx"], 2, r'unknown character after --character "foxx" \(did you mean "fox"'),
    (["--cpu", "9", "--stage", "batlefield"], 2, r'unknown stage "batlefield" \(did you mean "battlefield"'),
    (["--cpu", "9", "--dolphin-user", "nobody"], 2, "nobody"),
    (["--cpu", "9", "--session", "full"], 2, "--session .*full: holds a session already"),
    (["--ranked", "--cpu", "9"], 2, "No such option"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "status", "said"),
    WRONG,
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_one_line(
    model: Path, fake: Any, iso: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, more: list[str], status: int, said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/session.jsonl").touch()
    (tmp_path / "silent").write_bytes(b"\x00")
    (tmp_path / "silent").chmod(0o755)
    (tmp_path / "user.json").write_text("{}")
    account = [] if "--user-json" in more or "--connect-code" not in more else ["--user-json", "user.json"]
    fake()
    assert run([*flags(tmp_path), *account, *more]) == status
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert re.search(said, lines[0]), lines[0]


def test_a_model_of_all_characters_has_to_be_told_whom_to_play(
    made_policy: Any, fake: Any, iso: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    policy = made_policy("gru")
    save_policy(tmp_path / "m_policy.safetensors", policy, policy.description)
    fake()
    assert run(flags(tmp_path, "--cpu", "9")) == 2
    assert "--character NAME is needed: the model was trained on all characters" in capfd.readouterr().err


def test_weights_that_are_not_numbers_are_refused_before_dolphin_starts(
    made_policy: Any, fake: Any, iso: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    policy = made_policy("gru", character="mewtwo")
    with torch.no_grad():
        next(policy.parameters())[0] = float("nan")
    save_policy(tmp_path / "m_policy.safetensors", policy, policy.description)
    wanted = fake()
    assert run(flags(tmp_path, "--cpu", "9")) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "not finite numbers" in line
    assert not wanted.log.exists()


def test_without_libmelee_it_says_what_to_install(
    model: Path,
    fake: Any,
    iso: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake()
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "melee" else find(name))
    assert run(flags(tmp_path, "--cpu", "9")) == 1
    assert capfd.readouterr().err == 'exphil: --dolphin needs libmelee: pip install "exphil-core[dolphin]"\n'


def test_what_may_be_meant_otherwise_is_said(
    model: Path, fake: Any, iso: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Always the likeliest, somebody else's character, more delay than was trained with."""
    fake(frames=5, codes={1: "FOE#1", 2: "BOT#1"}, games=1)
    (tmp_path / "user.json").write_text("{}")
    more = [
        "--user-json",
        str(tmp_path / "user.json"),
        "--character",
        "fox",
        "--temperature",
        "0",
        "--games",
        "1",
    ]
    assert run(flags(tmp_path, "--connect-code", "foe#1", *more)) == 0
    err = capfd.readouterr().err
    assert "--temperature 0 always presses the likeliest: models get stuck" in err
    assert "trained on mewtwo, and is to play fox" in err
    assert "trained with a delay of 0 frames, but Slippi delays it by 2 (--online-delay)" in err


@pytest.mark.parametrize("more", [["--cpu", "9"], ["--iso", "x"], ["--connect-code", "A#1"]], ids=" ".join)
def test_flags_of_dolphin_are_refused_in_the_sandbox(
    more: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["play", "m", "--sandbox", *more]) == 2
    assert capfd.readouterr().err == f"exphil: {more[0]}: goes with --dolphin, not with --sandbox\n"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom exphil_core.cli.main import run\nrun(['play', '--help'])\n"
        "sys.exit(str(sorted({'torch', 'numpy', 'melee', 'pyarrow'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "[]\n"
    assert "With --dolphin" in done.stdout


@pytest.mark.parametrize(
    ("words", "section", "key", "without", "given"),
    [
        (["--fullscreen"], "Display", "Fullscreen", "False", "True"),
        (["--no-audio"], "DSP", "Backend", None, "No Audio Output"),
        (["--blocking"], "Slippi", "BlockingPipes", "False", "True"),
    ],
)
def test_how_dolphin_runs_is_told_to_it(
    model: Path, fake: Any, iso: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    words: list[str], section: str, key: str, without: str | None, given: str,
) -> None:  # fmt: skip
    import melee

    told: list[str | None] = []

    def instead_of_running(console: melee.Console, **_: Any) -> None:
        ini = configparser.ConfigParser()
        ini.read(Path(console._get_dolphin_config_path()) / "Dolphin.ini")
        told.append(ini.get(section, key, fallback=None))
        raise ExphilError("enough seen")

    fake(frames=1)
    monkeypatch.setattr(melee.Console, "run", instead_of_running)
    for number, more in enumerate(([], words)):
        session = ["--session", str(tmp_path / f"session{number}")]
        assert run(flags(tmp_path, "--cpu", "9", *more, *session)) == 1
    assert told == [without, given]


def test_a_dolphin_that_cannot_be_run_is_one_line(
    model: Path, fake: Any, iso: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    import melee

    def no_memory(*_: Any, **__: Any) -> None:
        raise OSError(12, "Cannot allocate memory", "dolphin")

    fake(frames=1)
    monkeypatch.setattr(melee.Console, "run", no_memory)
    assert run(flags(tmp_path, "--cpu", "9")) == 1
    assert capfd.readouterr().err == "exphil: dolphin: Cannot allocate memory\n"
