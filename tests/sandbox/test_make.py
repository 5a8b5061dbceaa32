"""The public entry: reproducible sets of games, plain errors."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from exphil_core.errors import ExphilError
from exphil_core.melee.characters import BY_NAME, CHARACTERS
from exphil_core.melee.stages import STAGES
from exphil_core.sandbox import make_replays
from exphil_core.sandbox.make import DEFAULT_CHARACTERS, plan_match


def contents(paths):
    return {path.name: path.read_bytes() for path in paths}


def test_same_arguments_same_bytes(tmp_path):
    runs = [contents(make_replays(tmp_path / name, games=2, minutes=0.2, seed=3)) for name in "ab"]
    assert runs[0] == runs[1]


def test_more_games_begin_with_the_same_ones(tmp_path):
    few = contents(make_replays(tmp_path / "few", games=2, minutes=0.2, seed=3))
    many = contents(make_replays(tmp_path / "many", games=4, minutes=0.2, seed=3))
    assert few.items() <= many.items()


def test_another_seed_makes_other_games(tmp_path):
    one = contents(make_replays(tmp_path / "one", games=1, minutes=0.2, seed=1))
    two = contents(make_replays(tmp_path / "two", games=1, minutes=0.2, seed=2))
    assert set(one.values()).isdisjoint(two.values())


def test_bytes_do_not_depend_on_the_interpreters_hash_seed(tmp_path):
    code = (
        "import hashlib, sys; from pathlib import Path; from exphil_core.sandbox import make_replays;"
        "ps = make_replays(Path(sys.argv[1]), games=1, minutes=0.1, seed=8);"
        "print(hashlib.sha256(ps[0].read_bytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / seed)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in "12"
    }  # fmt: skip
    assert len(digests) == 1


def test_progress_counts_up(tmp_path):
    seen = []
    make_replays(tmp_path, games=3, minutes=0.05, seed=0, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_file_names_say_who_met_where(tmp_path):
    (path,) = make_replays(
        tmp_path, games=1, minutes=0.05, seed=4, characters=("Mr. Game & Watch",), stages=("FD",)
    )
    assert path.name == "demo_s4_0000_gameandwatch-gameandwatch_FD.slp"


@pytest.mark.parametrize("size", [1, 3, 4, 26])
def test_everyone_asked_for_plays(size):
    cast = CHARACTERS[:size]
    matches = [plan_match(0, number, 1.0, cast, STAGES) for number in range(size)]
    assert {c for m in matches for c in m.setup.characters} == set(cast)


def test_ports_stages_and_styles_vary():
    cast = [BY_NAME[name] for name in DEFAULT_CHARACTERS]
    matches = [plan_match(0, number, 1.0, cast, STAGES) for number in range(60)]
    ports = Counter(m.setup.ports for m in matches)
    assert len(ports) == 5
    assert all(a < b for a, b in ports)
    assert len({m.setup.stage for m in matches}) == len(STAGES)
    assert len({s.name for m in matches for s in m.styles}) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"characters": ("mewtoo",)}, ["character", "mewtoo", "mewtwo"]),
        ({"characters": ("zzz",)}, ["character", "zzz", "fox", "marth"]),
        ({"characters": ()}, ["character"]),
        ({"stages": ("battlefeld",)}, ["stage", "battlefeld", "battlefield"]),
        ({"stages": ()}, ["stage"]),
        ({"games": 0}, ["games", "0"]),
        ({"minutes": 0}, ["minutes", "0"]),
        ({"minutes": -1.5}, ["minutes", "-1.5"]),
        ({"minutes": float("nan")}, ["minutes", "nan"]),
    ],
)
def test_mistakes_are_named_in_one_line(tmp_path, arguments, words):
    with pytest.raises(ExphilError) as caught:
        make_replays(tmp_path / "out", **{"games": 1, "minutes": 1.0, "seed": 0, **arguments})
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words)
    assert not (tmp_path / "out").exists()


def test_importing_the_sandbox_imports_nothing_heavy():
    code = "import sys, exphil_core.sandbox; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert out.strip() == "[]"
