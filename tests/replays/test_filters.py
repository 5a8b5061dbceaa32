"""What is trained on: filters, samples, idle sides, and the count of what is left out."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exphil_core.errors import ExphilError
from exphil_core.melee import FIRST_FRAME, FIRST_PLAYABLE_FRAME
from exphil_core.replays.controller import NEUTRAL
from exphil_core.replays.filters import GameFilter, Selection, select
from exphil_core.replays.game import Game
from exphil_core.replays.idle import IDLE_FRAMES, idle_rows, idle_stretches, target_rows
from exphil_core.replays.index import ReplayIndex
from exphil_core.replays.intake import look_at
from exphil_core.replays.sources import ReplayFile
from exphil_core.replays.split import holdout_key, split_games


@pytest.fixture
def files(demo_folder: Path) -> list[Path]:
    return sorted(demo_folder.glob("*.slp"))


def collect(files: list[Path], wanted: GameFilter) -> Selection:
    found = [ReplayFile.on_disk(path) for path in files]
    with tempfile.TemporaryDirectory() as folder, ReplayIndex(Path(folder)) as index:
        return select(found, look_at(found, index), wanted)


def names(files: list[Path], **wanted: object) -> set[str]:
    return {item.file.name for item in collect(files, GameFilter(**wanted)).chosen}  # type: ignore[arg-type]


def test_everything_is_kept_by_default(files: list[Path]) -> None:
    collection = collect(files, GameFilter())
    assert len(collection.chosen) == len(files)
    assert {item.sides for item in collection.chosen} == {(0, 1)}
    assert not collection.left_out


def test_a_character_is_imitated_on_its_own_side_and_on_both_of_a_ditto(files: list[Path]) -> None:
    collection = collect(files, GameFilter(character="mewtwo"))
    assert collection.chosen
    for item in collection.chosen:
        assert item.sides == tuple(i for i, p in enumerate(item.facts.players) if p.character == "mewtwo")
    assert collection.reasons()["other characters"] == len(files) - len(collection.chosen)


def test_opponent_and_stage_filter(files: list[Path]) -> None:
    chosen = collect(files, GameFilter(character="fox", opponent=("mewtwo",))).chosen
    assert chosen
    assert all({p.character for p in item.facts.players} == {"fox", "mewtwo"} for item in chosen)
    stage = chosen[0].facts.stage
    assert 0 < len(names(files, stage=(stage,))) < len(files)
    assert names(files, stage=(stage,)) < names(files)


def test_short_games_are_left_out_with_the_reason(files: list[Path]) -> None:
    collection = collect(files, GameFilter(min_frames=10**6))
    assert not collection.chosen
    assert collection.reasons() == {"shorter than --min-frames": len(files)}


def test_max_files_draws_a_sample_that_depends_on_content_and_seed_alone(
    files: list[Path], tmp_path: Path
) -> None:
    first = names(files, max_files=3, seed=1)
    assert len(first) == 3
    assert first == names(files[::-1], max_files=3, seed=1)
    assert any(names(files, max_files=3, seed=seed) != first for seed in range(2, 6))
    renamed = [Path(shutil.copy(path, tmp_path / f"{9 - i}.slp")) for i, path in enumerate(files)]
    kept = collect(renamed, GameFilter(max_files=3, seed=1)).chosen
    by_hash = {item.facts.sha256 for item in collect(files, GameFilter(max_files=3, seed=1)).chosen}
    assert {item.facts.sha256 for item in kept} == by_hash


def test_the_sample_is_taken_after_the_filters(files: list[Path]) -> None:
    collection = collect(files, GameFilter(character="mewtwo", max_files=2))
    assert len(collection.chosen) == 2


def test_the_same_game_twice_counts_once_whatever_the_bytes_around_it(
    files: list[Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copy(files[0], tmp_path / "copy.slp"))
    longer = tmp_path / "longer.slp"
    longer.write_bytes(files[1].read_bytes() + b"\0")
    collection = collect([*files, copy, longer], GameFilter())
    assert len(collection.chosen) == len(files)
    # The same bytes: the first; as many frames in other bytes: the smaller hash.
    larger = max(files[1], longer, key=lambda path: hashlib.sha256(path.read_bytes()).hexdigest())
    assert {item.file.path for item in collection.left_out} == {str(copy), str(larger)}
    assert len({item.facts.game_hash for item in collection.chosen}) == len(files)


def test_a_bad_file_is_named_and_the_rest_goes_on(files: list[Path], tmp_path: Path) -> None:
    bad, empty = tmp_path / "bad.slp", tmp_path / "empty.slp"
    bad.write_bytes(b"nonsense")
    empty.touch()
    collection = collect([bad, *files, empty, tmp_path / "gone.slp"], GameFilter())
    assert len(collection.chosen) == len(files)
    assert {item.file.name: item.kind for item in collection.left_out} == {
        "bad.slp": "unreadable",
        "empty.slp": "empty file",
        "gone.slp": "unreadable",
    }


def test_real_sheik_games_are_found_by_either_form(real_replays: Path) -> None:
    path = next(real_replays.glob("games/sheik-fox_BF_*.slp"))
    assert [item.sides for item in collect([path], GameFilter(character="sheik")).chosen] == [(0,)]
    assert not collect([path], GameFilter(character="marth")).chosen


def test_a_side_that_does_nothing_for_ten_seconds_is_idle_there() -> None:
    moving = np.tile(NEUTRAL, (IDLE_FRAMES * 3, 1))
    moving[101::2, 0] = 1
    moving[200 : 200 + IDLE_FRAMES + 1] = NEUTRAL
    idle = idle_rows(moving)
    # The release at row 200 was a decision; what follows until the next press wasn't.
    assert np.flatnonzero(idle).tolist() == list(range(201, 200 + IDLE_FRAMES + 1))
    assert not idle_rows(moving[: IDLE_FRAMES - 1]).any()
    assert idle_rows(np.tile(NEUTRAL, (IDLE_FRAMES, 1))).all()


@given(
    runs=st.lists(st.sampled_from([1, 2, 299, 300, 301, 598, 599, 600, 601, 1300]), min_size=1, max_size=8)
)
def test_idle_stretches_are_runs_of_equal_inputs(runs: list[int]) -> None:
    moving = np.repeat([NEUTRAL + number % 2 for number in range(len(runs))], runs, axis=0)
    ends = np.cumsum(runs).tolist()
    long = [(end - run, end) for run, end in zip(runs, ends, strict=True) if run >= IDLE_FRAMES]
    assert idle_stretches(moving) == [(start + (start > 0), end) for start, end in long]


def test_targets_begin_when_inputs_count(demo_games: list[Game]) -> None:
    rows = target_rows(demo_games[0], 0, drop_idle=False)
    assert np.flatnonzero(rows)[0] == FIRST_PLAYABLE_FRAME - FIRST_FRAME
    assert rows[FIRST_PLAYABLE_FRAME - FIRST_FRAME :].all()


def hashes(count: int) -> list[str]:
    rng = np.random.default_rng(3)
    return [rng.bytes(32).hex() for _ in range(count)]


def test_held_out_games_depend_on_their_own_content_alone() -> None:
    games = hashes(400)
    _, held = split_games(games, 0.1)
    assert 0.05 < len(held) / len(games) < 0.15
    chosen = {games[i] for i in held}
    some = games[100:250][::-1]
    _, again = split_games(some, 0.1)
    assert {some[i] for i in again} == chosen & set(some)


def test_at_least_one_game_is_held_out_and_one_is_not() -> None:
    for sha in hashes(40):
        for other in hashes(4):
            pair = [sha, other + "0"]
            train, held = split_games(pair, 0.1)
            assert len(train) == len(held) == 1
            assert holdout_key(pair[held[0]]) <= holdout_key(pair[train[0]])


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_games_are_too_few(count: int) -> None:
    with pytest.raises(ExphilError, match="at least two"):
        split_games(hashes(count), 0.1)
