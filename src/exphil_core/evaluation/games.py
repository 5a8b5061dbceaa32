"""The games that models are judged on: those that pass the filters, and of these perhaps only held-out ones."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import attrs

from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError, UsageError
from exphil_core.evaluation.models import EvalModel
from exphil_core.replays.cache import GameCache
from exphil_core.replays.facts import FileFacts
from exphil_core.replays.filters import Chosen, Selection
from exphil_core.replays.sources import find_replays
from exphil_core.training.frames import FrameStore
from exphil_core.training.games import games_of, select_games
from exphil_core.training.reporter import Reporter


@attrs.frozen(kw_only=True, eq=False)
class EvalGames:
    """Games for one model, in the order of their hashes: the same for all models. `facts` and `files` are by game."""

    store: FrameStore
    facts: tuple[FileFacts, ...]
    files: tuple[str, ...]
    left_out: dict[str, int]


def games_for(
    models: Sequence[EvalModel], config: TrainConfig, reporter: Reporter, held_out: bool = False
) -> list[EvalGames]:
    """The games and sides that `config` asks for, for each of `models`; with `held_out`, only those that every one of
    them was validated on. Raises ExphilError if none is left."""
    # The sample is drawn of what is left in the end.
    files = find_replays(config.replays)
    selection, cache = select_games(files, attrs.evolve(config, max_files=None), reporter)
    chosen, left_out = list(selection.chosen), Counter(selection.reasons())
    if held_out:
        sides = [held_out_sides(model) for model in models]
        before, chosen = len(chosen), [kept for item in chosen if (kept := _held_out(item, sides, config))]
        left_out["not held out"] += before - len(chosen)
    if config.max_files is not None and config.max_files < len(chosen):
        left_out["not in the sample"] += len(chosen) - config.max_files
        chosen = sorted(chosen, key=lambda item: _lot(item.facts, config.seed))[: config.max_files]
    left = {reason: count for reason, count in left_out.most_common() if count}
    if not chosen:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left.items())
        hint = (
            "; `exphil replays scan PATH --files` names each with its reason" if "unreadable" in left else ""
        )
        raise ExphilError(f"none of the {len(files)} replay files can be judged on: {reasons}{hint}")
    rest = Selection(chosen=tuple(chosen), left_out=())
    found = [_for_model(model, rest, cache, config, left, reporter) for model in models]
    if any(games.store.example_count() == 0 for games in found):
        raise ExphilError("nobody moves in these games: there is no controller to predict; add replays")
    return found


def held_out_sides(model: EvalModel) -> frozenset[str]:
    """What `model` was validated on: sides, or (of an unfinished run) games. Raises UsageError if nothing says."""
    held_out = model.held_out_sides or model.held_out_games
    if not held_out:
        raise UsageError(
            f"--held-out: {model.facts.file} has no config file beside it that says which games were held out; leave "
            "--held-out away and give replays that it was not trained on"
        )
    return held_out


def _held_out(item: Chosen, held_out: Sequence[frozenset[str]], config: TrainConfig) -> Chosen | None:
    """`item` with those of its sides that all models were validated on, None without any."""
    game = item.facts.game_hash
    kept = [
        place
        for place, side in enumerate(item.sides)
        if all(game in sides or f"{game}:{side}:{config.rollback}" in sides for sides in held_out)
    ]
    if not kept:
        return None
    return attrs.evolve(
        item,
        sides=tuple(item.sides[place] for place in kept),
        weights=tuple(item.weights[place] for place in kept),
    )


def _for_model(
    model: EvalModel,
    selection: Selection,
    cache: GameCache,
    config: TrainConfig,
    left_out: dict[str, int],
    reporter: Reporter,
) -> EvalGames:
    games = games_of(selection, cache, model.features, config, reporter)
    hashes = games.table.hashes()
    order = sorted(range(len(games)), key=hashes.__getitem__)
    facts = {item.facts.game_hash: item.facts for item in selection.chosen}
    unread = Counter(item.kind for item in games.left_out)
    return EvalGames(
        store=games.store(order, delay=model.facts.delay, drop_idle=True),
        facts=tuple(facts[hashes[game]] for game in order),
        files=tuple(games.files[game] for game in order),
        left_out=dict(Counter(left_out) + unread),
    )


def _lot(facts: FileFacts, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{facts.sha256}".encode()).hexdigest()
