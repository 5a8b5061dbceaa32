"""Which games are trained on and which sides of them are imitated, and the reason for each that isn't.

Filters look at facts alone: on a later run, no replay is opened to apply them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import attrs

from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ReplayError
from exphil_core.replays.exclusions import exclusions_of, names_of
from exphil_core.replays.facts import FileFacts, reason_kind
from exphil_core.replays.slp import ABNORMAL
from exphil_core.replays.sources import ReplayFile
from exphil_core.replays.tables import Tables, read_tables
from exphil_core.replays.weights import Weights, folded, weights_of


@attrs.frozen(kw_only=True)
class GameFilter:
    """What the user asked for. Empty means any."""

    character: str | None = None
    opponent: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()
    min_frames: int = 0
    max_files: int | None = None
    any_player: bool = False
    winner_only: bool = False
    player: tuple[str, ...] = ()
    since: str = ""
    excluded: frozenset[str] = frozenset()
    weights: Weights | None = None
    seed: int = 0


@attrs.frozen(kw_only=True)
class Chosen:
    """A game to train on, with the fighters (0, 1) in it to imitate."""

    file: ReplayFile
    facts: FileFacts
    sides: tuple[int, ...]
    weights: tuple[float, ...]  # how much each side's examples count in training


@attrs.frozen(kw_only=True)
class LeftOut:
    """A file that is not used, and why."""

    file: ReplayFile
    reason: str

    @property
    def kind(self) -> str:
        """The reason without its details, for counting."""
        return reason_kind(self.reason)


@attrs.frozen(kw_only=True)
class Selection:
    """What the filters made of the files."""

    chosen: tuple[Chosen, ...]
    left_out: tuple[LeftOut, ...]

    def reasons(self) -> Counter[str]:
        """How many files were left out for each kind of reason."""
        return Counter(item.kind for item in self.left_out)


def select(files: Sequence[ReplayFile], facts: Sequence[FileFacts], wanted: GameFilter) -> Selection:
    """What of `files`, of which `facts` are known, is wanted. A game that stands in several of the files that pass
    counts once: as the longest recording of it, whatever the files are called.

    With `max_files`, so many of the games that pass are drawn by their content and the seed.
    """
    left_out: dict[int, LeftOut] = {}
    places: dict[str, int] = {}  # of the recording of each game that is taken
    passed: dict[int, Chosen] = {}
    for place, (file, known) in enumerate(zip(files, facts, strict=True)):
        try:
            check_usable(known, wanted.any_player)
            sides = wanted_sides(known, wanted)
        except ReplayError as error:
            left_out[place] = LeftOut(file=file, reason=str(error))
            continue
        weights = tuple(wanted.weights.of(known.players[i]) if wanted.weights else 1.0 for i in sides)
        item = passed[place] = Chosen(file=file, facts=known, sides=sides, weights=weights)
        other = places.setdefault(known.game_hash, place)
        if other != place:
            worse = place
            if _better(item, passed[other]):
                places[known.game_hash], worse = place, other
            left_out[worse] = LeftOut(file=files[worse], reason="the same game as another file")
            del passed[worse]
    chosen = list(passed.values())
    if wanted.max_files is not None and wanted.max_files < len(chosen):
        chosen = sorted(chosen, key=lambda item: _lot(item.facts, wanted.seed))[: wanted.max_files]
    in_order = (left_out[place] for place in sorted(left_out))
    return Selection(chosen=tuple(chosen), left_out=tuple(in_order))


def _better(one: Chosen, other: Chosen) -> bool:
    """Whether `one` is the recording to take of a game that both hold."""
    return (-one.facts.frames, one.facts.sha256) < (-other.facts.frames, other.facts.sha256)


def check_usable(facts: FileFacts, any_player: bool) -> None:
    """Raise ReplayError with the reason for a file that can't be trained on, or that holds a CPU player."""
    if facts.has_cpu and not any_player and facts.kind not in ABNORMAL:
        raise ReplayError("a CPU player")
    if facts.reason is not None:
        raise ReplayError(facts.reason)


def wanted_sides(facts: FileFacts, wanted: GameFilter) -> tuple[int, ...]:
    """The fighters (0, 1) to imitate. Raises ReplayError with the reason if there are none."""
    _check_file(facts, wanted)
    players = facts.players
    sides = [
        side
        for side in (0, 1)
        if (wanted.character is None or players[side].played(wanted.character))
        and (not wanted.opponent or any(players[1 - side].played(name) for name in wanted.opponent))
    ]
    if not sides:
        raise ReplayError(f"other characters ({' against '.join(player.character for player in players)})")
    if wanted.player:
        names = {folded(name) for name in wanted.player}
        sides = [side for side in sides if names & {folded(players[side].tag), folded(players[side].code)}]
        if not sides:
            raise ReplayError("other players")
    if wanted.winner_only:
        sides = [side for side in sides if players[side].won]
        if not sides:
            raise ReplayError("not the winner")
    return tuple(sides)


def _check_file(facts: FileFacts, wanted: GameFilter) -> None:
    if wanted.excluded and wanted.excluded & {facts.sha256, facts.game_hash, *names_of(facts.file)}:
        raise ReplayError("excluded by --exclude-file")
    if wanted.since and not facts.date:
        raise ReplayError("without a date")
    if wanted.since and facts.date[:10] < wanted.since:
        raise ReplayError(f"older than --since ({facts.date[:10]})")
    if facts.frames < wanted.min_frames:
        raise ReplayError(f"shorter than --min-frames ({facts.frames} frames)")
    if wanted.stage and facts.stage not in wanted.stage:
        raise ReplayError(f"another stage ({facts.stage})")


def filter_of(config: TrainConfig, tables: Tables | None = None) -> GameFilter:
    """The filter that the settings ask for, with what stands in the files that they name, or stood there according
    to `tables`. Raises ExphilError."""
    tables = read_tables(config) if tables is None else tables
    return GameFilter(
        character=config.character,
        opponent=config.opponent,
        stage=config.stage,
        min_frames=config.min_frames,
        max_files=config.max_files,
        any_player=config.any_player,
        winner_only=config.winner_only,
        player=config.player,
        since=config.since or "",
        excluded=exclusions_of(tables.get("exclude_file", "")),
        weights=weights_of(tables["weights"], config.weights) if config.weights else None,
        seed=config.seed,
    )


def _lot(facts: FileFacts, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{facts.sha256}".encode()).hexdigest()
