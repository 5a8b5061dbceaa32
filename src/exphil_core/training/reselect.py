"""The games of a run that goes on: the very files' contents that it was begun with, wherever they lie by now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError, ReplayError
from exphil_core.replays.cache import GameCache, rows_folder
from exphil_core.replays.cache_folder import cache_folder
from exphil_core.replays.caching import CacheSink
from exphil_core.replays.facts import FileFacts
from exphil_core.replays.filters import Chosen, GameFilter, Selection, filter_of, wanted_sides
from exphil_core.replays.index import ReplayIndex
from exphil_core.replays.sources import ReplayFile
from exphil_core.replays.tables import Tables
from exphil_core.training.games import look
from exphil_core.training.reporter import Reporter
from exphil_core.training.team import ALONE, Team


def select_again(
    files: Sequence[ReplayFile],
    contents: Sequence[str],
    config: TrainConfig,
    tables: Tables,
    reporter: Reporter,
    team: Team = ALONE,
) -> tuple[Selection, GameCache]:
    """Those of `files` whose SHA-256 are `contents`, in that order, and the cache with all of them that could be
    cached. Nothing else is cached; files that the index doesn't know are opened only if some content is missing.

    Raises ExphilError if one is gone.
    """
    # They passed the filters when the run began; what is left to say is which sides count, and how much.
    wanted = attrs.evolve(filter_of(config, {**tables, "exclude_file": ""}), max_files=None)
    folder = cache_folder(config.cache_dir)
    rows = rows_folder(folder, config.rollback)
    with ReplayIndex(folder, reporter.line) as index:

        def read(unread: Sequence[ReplayFile]) -> list[FileFacts]:
            return look(unread, index, "reading replays", None, config, reporter, team=team)

        places = _places(files, contents, index, read)
        missing = sum(content not in places for content in contents)
        if missing:
            raise ExphilError(
                f"{missing} of the {len(contents)} games that this run was begun with are not among the replays any "
                "more: bring these files back, or say where they are with --replays"
            )
        found = [places[content] for content in contents]
        sink = CacheSink(rows, GameCache(rows, reporter.line).hashes, wanted)
        facts = look(found, index, "caching replays", sink, config, reporter, team=team)
    chosen = tuple(_chosen(file, known, wanted) for file, known in zip(found, facts, strict=True))
    return Selection(chosen=chosen, left_out=()), GameCache(rows, reporter.line)


def _places(
    files: Sequence[ReplayFile],
    contents: Sequence[str],
    index: ReplayIndex,
    read: Callable[[Sequence[ReplayFile]], list[FileFacts]],
) -> dict[str, ReplayFile]:
    """Where each content lies, of files that are known first."""
    wanted = set(contents)
    places: dict[str, ReplayFile] = {}
    unknown: list[ReplayFile] = []
    for file in files:
        known = index.facts(file)
        if known is None:
            unknown.append(file)
        elif known.sha256 in wanted:
            places.setdefault(known.sha256, file)
    if len(places) < len(wanted):
        for file, known in zip(unknown, read(unknown), strict=True):
            if known.sha256 in wanted:
                places.setdefault(known.sha256, file)
    return places


def _chosen(file: ReplayFile, known: FileFacts, wanted: GameFilter) -> Chosen:
    try:
        sides = wanted_sides(known, wanted)
    except ReplayError as error:
        # Only another version of ExPhil can think otherwise of the same content.
        raise ExphilError(f"{file.name} was part of this run, and is left out now: {error}") from None
    weights = tuple(wanted.weights.of(known.players[i]) if wanted.weights else 1.0 for i in sides)
    return Chosen(file=file, facts=known, sides=sides, weights=weights)
