"""Filters on facts: what each leaves out, and for which reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError, UsageError
from exphil_core.replays.exclusions import read_exclusions
from exphil_core.replays.facts import FileFacts, PlayerFacts
from exphil_core.replays.filters import GameFilter, Selection, filter_of, select
from exphil_core.replays.idle import target_rows
from exphil_core.replays.inspecting import inspect
from exphil_core.replays.sources import ReplayFile
from exphil_core.replays.weights import Weights, read_weights


def facts(name: str = "a.slp", **changes: Any) -> FileFacts:
    players = (
        PlayerFacts(port=0, character="fox", human=True, tag="Ann", code="ANN＃1", shares={"fox": 1.0}, won=True),
        PlayerFacts(
            port=2, character="zelda", human=True, tag="Bob", code="BOB＃22",
            shares={"zelda": 0.25, "sheik": 0.75}, won=False,
        ),
    )  # fmt: skip
    whole = FileFacts(
        file=f"/replays/{name}", sha256=f"{name:>064}", game_hash=f"g{name:>063}", version=(3, 16, 0),
        date="2023-05-04T00:16:23Z", stage="dreamland", players=players, frames=5000, rows=5000, end="game",
    )  # fmt: skip
    return attrs.evolve(whole, **changes)


def selected(known: FileFacts, **wanted: Any) -> Selection:
    return select([ReplayFile(path=known.file)], [known], GameFilter(**wanted))


def sides(known: FileFacts, **wanted: Any) -> tuple[int, ...] | str:
    selection = selected(known, **wanted)
    return selection.chosen[0].sides if selection.chosen else selection.left_out[0].reason


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ({}, (0, 1)),
        ({"character": "sheik"}, (1,)),
        ({"character": "marth"}, "other characters (fox against zelda)"),
        ({"opponent": ("zelda", "marth")}, (0,)),
        ({"stage": ("battlefield",)}, "another stage (dreamland)"),
        ({"min_frames": 5001}, "shorter than --min-frames (5000 frames)"),
        ({"winner_only": True}, (0,)),
        ({"winner_only": True, "character": "zelda"}, "not the winner"),
        ({"player": ("ann#1",)}, (0,)),
        ({"player": ("BOB",)}, (1,)),
        ({"player": ("ann", "bob")}, (0, 1)),
        ({"player": ("cat",)}, "other players"),
        ({"since": "2023-05-04"}, (0, 1)),
        ({"since": "2023-05-05"}, "older than --since (2023-05-04)"),
        ({"excluded": frozenset({"a.slp"})}, "excluded by --exclude-file"),
        ({"excluded": frozenset({"b.slp", "/elsewhere/a.slp"})}, (0, 1)),
        ({"excluded": frozenset({f"{'a.slp':>064}"})}, "excluded by --exclude-file"),
    ],
)
def test_each_filter_keeps_and_leaves_out(wanted: dict[str, Any], got: Any) -> None:
    assert sides(facts(), **wanted) == got


def test_what_a_replay_does_not_say_is_no_pass() -> None:
    assert sides(facts(date=""), since="2000-01-01") == "without a date"
    nobody = tuple(attrs.evolve(player, won=None) for player in facts().players)
    assert sides(facts(players=nobody), winner_only=True) == "not the winner"


def test_a_cpu_player_is_a_fact_and_the_filter_decides() -> None:
    cpu = (attrs.evolve(facts().players[0], human=False), facts().players[1])
    assert sides(facts(players=cpu)) == "a CPU player"
    assert sides(facts(players=cpu), any_player=True) == (0, 1)
    # What is no game of two in the first place stays that.
    assert sides(facts(players=cpu, reason="not two players (3)")) == "not two players (3)"
    assert sides(facts(players=cpu, reason="cut short: x")) == "a CPU player"
    assert sides(facts(players=cpu, reason="cut short: x"), any_player=True) == "cut short: x"


def test_a_game_in_two_files_counts_once_and_a_sample_is_drawn_after_that() -> None:
    known = [facts(f"{number}.slp") for number in range(20)]
    known.append(attrs.evolve(known[3], file="/replays/copy.slp", sha256="f" * 64))
    files = [ReplayFile(path=item.file) for item in known]
    selection = select(files, known, GameFilter(max_files=5, seed=1))
    assert [item.reason for item in selection.left_out] == ["the same game as another file"]
    assert len(selection.chosen) == 5
    backwards = select(files[19::-1], known[19::-1], GameFilter(max_files=5, seed=1))
    assert backwards.chosen == selection.chosen
    assert select(files, known, GameFilter(max_files=5, seed=2)).chosen != selection.chosen


def test_of_several_recordings_the_longest_that_passes_is_taken_whatever_they_are_called() -> None:
    lost = tuple(attrs.evolve(player, won=None) for player in facts().players)
    cut = facts("a.slp", game_hash="g" * 64, frames=4000, players=lost)
    whole = [
        facts(name, game_hash="g" * 64, sha256=sha * 64) for name, sha in (("b.slp", "2"), ("c.slp", "1"))
    ]
    known = [cut, *whole]
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        shuffled = [known[i] for i in order]
        files = [ReplayFile(path=item.file) for item in shuffled]
        selection = select(files, shuffled, GameFilter())
        # As long as each other: the smaller hash.
        assert [item.facts.file for item in selection.chosen] == ["/replays/c.slp"]
        assert [item.reason for item in selection.left_out] == ["the same game as another file"] * 2
        assert [item.file for item in selection.left_out] == [f for f in files if f.name != "c.slp"]
    # One that a filter leaves out takes nothing away from the others.
    selection = select([ReplayFile(path=item.file) for item in known], known, GameFilter(winner_only=True))
    assert selection.chosen[0].facts.file == "/replays/c.slp"
    assert selection.reasons() == {"not the winner": 1, "the same game as another file": 1}
    excluding = GameFilter(excluded=frozenset({"b.slp", "c.slp"}))
    kept = select([ReplayFile(path=item.file) for item in known], known, excluding).chosen
    assert [item.facts.file for item in kept] == ["/replays/a.slp"]


def test_an_exclude_file_lists_names_paths_and_hashes(tmp_path: Path) -> None:
    path = tmp_path / "exclude.txt"
    path.write_text(f"# not these\n\na.slp\n/replays/sub/b.slp\n{'AB' * 32}\ngames/c.slp\n", encoding="utf-8")
    excluded = read_exclusions(str(path))
    names = {"/x/a.slp": True, "/replays/sub/b.slp": True, "/y/b.slp": False, "/set.7z!games/c.slp": True,
             "/set.7z!deep/a.slp": True, "/z/c.slp": False}  # fmt: skip
    for name, left_out in names.items():
        known = attrs.evolve(facts(), file=name)
        assert bool(selected(known, excluded=excluded).left_out) == left_out, name
    assert selected(facts(game_hash="ab" * 32), excluded=excluded).left_out


def test_an_exclude_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExphilError, match=r"--exclude-file .*gone"):
        filter_of(TrainConfig(exclude_file=str(tmp_path / "gone")))


def test_weights_multiply_what_fits(tmp_path: Path) -> None:
    path = tmp_path / "weights.toml"
    path.write_text(
        'other = 0.1\n[player]\n"ann#1" = 3\n[character]\nfox = 0.5\nSheik = 2.0\n[rank]\ndiamond = 0\n'
    )
    weights = read_weights(str(path))
    fox, zelda = facts().players
    assert weights.of(fox) == pytest.approx(1.5)
    # A quarter of the time Zelda (no entry: 1), the rest Sheik.
    assert weights.of(zelda) == pytest.approx(0.25 + 2.0 * 0.75)
    assert weights.of(attrs.evolve(fox, tag="Diamond Player")) == 0
    assert weights.of(PlayerFacts(port=0, character="marth", human=True, tag="Gold Player")) == 0.1
    assert selected(facts(), weights=weights).chosen[0].weights == (weights.of(fox), weights.of(zelda))
    assert selected(facts(), weights=weights, character="zelda").chosen[0].weights == (weights.of(zelda),)
    same = tmp_path / "weights.json"
    same.write_text(json.dumps({"other": 0.1, "player": {"ANN＃1": 3}, "character": {"fox": 0.5, "sheik": 2},
                                "rank": {"Diamond": 0}}))  # fmt: skip
    assert read_weights(str(same)) == weights


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[character]\nfoxx = 1", r'there is no character "foxx" \(did you mean "fox"\?\)'),
        ("[rank]\ndimond = 1", r'there is no rank "dimond" \(did you mean "diamond"\?\)'),
        ("[player]\nann = -1", r"player.ann: -1 must be a number from 0 on"),
        ("[player]\nann = nan", r"player.ann: nan must be a number from 0 on"),
        ("[player]\nann = true", r"player.ann: True must be a number from 0 on"),
        ("[players]\nann = 1", r'players is not a section \(did you mean "player"\?\)'),
        ("player = 3", r"player: must be a table of names and numbers"),
        ("other = 'x'", r"other: 'x' must be a number from 0 on"),
        ("= 3", r"--weights .*weights.toml: "),
    ],
)
def test_a_wrong_table_of_weights_is_refused_with_the_culprit(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "weights.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=complaint):
        read_weights(str(path))


def test_without_a_table_every_side_weighs_one() -> None:
    assert selected(facts()).chosen[0].weights == (1.0, 1.0)
    assert Weights().of(facts().players[0]) == 1.0


def test_idle_frames_in_the_facts_are_those_that_are_no_targets(real_replays: Path) -> None:
    idle = 0
    for path in sorted(real_replays.glob("games/*.slp")):
        replay = inspect(path.read_bytes(), path.name, path)
        if replay.facts.reason is not None or replay.facts.has_cpu:
            continue
        game = replay.game()
        for fighter, player in enumerate(replay.facts.players):
            targets = int(target_rows(game, fighter, drop_idle=True).sum())
            assert replay.facts.examples(fighter) == targets, (path.name, fighter)
            idle += player.idle
    assert idle > 10_000
