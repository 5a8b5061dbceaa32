"""What character features bring: the same run with and without one, compared where it matters.

    python benchmarks/features.py sandbox --seeds 3 --out features.json
    python benchmarks/features.py real --replays ~/Slippi --out real.json

Each pair of runs differs in the feature alone (games, seed, steps). Scores are nats a frame on held-out games, on all
frames and on those that matter; the difference is taken game by game and seed by seed, with an interval over both.
Real games are few: each of them is held out in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
import numpy as np
import numpy.typing as npt
import torch

from exphil_core.config.resolve import resolve
from exphil_core.features.schema import SCHEMA_VERSION
from exphil_core.melee.characters import BY_NAME
from exphil_core.plugin_manager import PluginManager, load_plugins
from exphil_core.replays.game import STATE, Game
from exphil_core.replays.slp import read_game
from exphil_core.sandbox import make_replays
from exphil_core.testing.plugins import manager_with
from exphil_core.training.batches import carried_state, to_tensors
from exphil_core.training.frames import FrameStore
from exphil_core.training.loop import Trainer
from exphil_core.training.prepare import Prepared, prepare
from exphil_core.training.reporter import SilentReporter
from exphil_core.training.sampling import validation_plans
from exphil_core.training.table import Sides

Mask = npt.NDArray[np.bool_]
MaskOf = Callable[[Game, int], Mask]
# The sandbox's players answer 8 to 13 frames after what they answer, and the first inputs tell which answer it is.
BEGINS, BEGUN, ANSWER = 7, 15, 25
TELEPORTS, ENDS = range(353, 359), (355, 358)
# Dying and coming back; hurt; lying, teching and held. Whoever is in one of these has other worries.
TROUBLE = (*range(14), *range(75, 92), *range(183, 260))
BOMBS, THROWN, EXPLODING = (0x3A, 0x3B), 2, 5
# Two-sided 95 % of Student's distribution, by degrees of freedom.
T95 = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 8: 2.31, 10: 2.23, 15: 2.13, 20: 2.09, 30: 2.04}


@attrs.frozen(kw_only=True)
class Case:
    """A feature, the games that it is tried on, and the frames (T,) of a fighter where it matters."""

    feature: str
    cast: tuple[str, ...]
    pattern: str
    flags: dict[str, Any]
    matters: Mapping[str, MaskOf]
    drill: MaskOf


def appearing(game: Game, fighter: int) -> Mask:
    """The opponent's Teleport ends in this frame, and the fighter is on the ground and out of trouble."""
    foe = 1 - fighter
    mewtwo = game.character_TP[:, foe] == BY_NAME["mewtwo"].internal
    ends = mewtwo & np.isin(game.action_TP[:, foe], ENDS)
    return beginning(ends) & can_answer(game, fighter)


def thrown_bomb(game: Game, fighter: int) -> Mask:
    """A bomb of the opponent's starts to fly in this frame, and the fighter is on the ground and out of trouble."""
    items = game.items
    thrown = np.zeros(len(game), bool)
    flying = np.isin(items.type, BOMBS) & (items.state == THROWN) & (items.owner != fighter)
    thrown[items.frame()[flying]] = True
    return beginning(thrown) & can_answer(game, fighter)


def can_answer(game: Game, fighter: int) -> Mask:
    """On the ground and out of trouble."""
    grounded: Mask = game.state_TPF[:, fighter, STATE["airborne"]] == 0
    return grounded & ~np.isin(game.action_TP[:, fighter], TROUBLE)


def beginning(lasts: Mask) -> Mask:
    """The first frame of each stretch."""
    before: Mask = np.concatenate([[False], lasts[:-1]])
    return lasts & ~before


def answer(happens: MaskOf, game: Game, fighter: int) -> Mask:
    """While an answer to what happens is made up and carried out."""
    return lasting(happens(game, fighter), ANSWER)


def answer_begins(happens: MaskOf, game: Game, fighter: int) -> Mask:
    """The frames in which an answer to what happens is decided: `BEGINS` to `BEGUN` after it."""
    happened = happens(game, fighter)
    return lasting(happened, BEGUN) & ~lasting(happened, BEGINS - 1)


def holding_a_bomb(game: Game, fighter: int) -> Mask:
    """A bomb is in one's own hand, and what becomes of it is decided."""
    items = game.items
    held = np.zeros(len(game), bool)
    held[items.frame()[np.isin(items.type, BOMBS) & (items.state == 0) & (items.owner == fighter)]] = True
    return held


def facing_a_teleport(game: Game, fighter: int) -> Mask:
    """From the start of the opponent's Teleport to `ANSWER` frames after it."""
    foe = 1 - fighter
    mewtwo = game.character_TP[:, foe] == BY_NAME["mewtwo"].internal
    return lasting(mewtwo & np.isin(game.action_TP[:, foe], TELEPORTS), ANSWER)


def around_a_teleport(game: Game, fighter: int) -> Mask:
    """The same for one's own or the opponent's."""
    return facing_a_teleport(game, fighter) | facing_a_teleport(game, 1 - fighter)


def bomb_out(game: Game, fighter: int) -> Mask:
    """Somebody's bomb is there and hasn't gone off."""
    items = game.items
    out = np.zeros(len(game), bool)
    out[items.frame()[np.isin(items.type, BOMBS) & (items.state != EXPLODING)]] = True
    return out


def item_out(game: Game, fighter: int) -> Mask:
    """Either fighter has an item out."""
    return np.diff(game.items.offset) > 0


def lasting(happens: Mask, frames: int) -> Mask:
    """True where it happened at most `frames` frames ago."""
    at = np.arange(len(happens))
    last = np.maximum.accumulate(np.where(happens, at, -frames - 1))
    return at - last <= frames


SANDBOX = (
    Case(
        feature="teleport", cast=("mewtwo",), pattern="", flags={},
        matters={
            "an answer to a Teleport begins": partial(answer_begins, appearing),
            "answers to a Teleport": partial(answer, appearing),
            "around one": facing_a_teleport,
        },
        drill=partial(answer, appearing),
    ),
    Case(
        feature="item-tracking", cast=("link",), pattern="", flags={},
        matters={
            "an answer to a bomb begins": partial(answer_begins, thrown_bomb),
            "answers to a bomb": partial(answer, thrown_bomb),
            "one in hand": holding_a_bomb,
            "one out": bomb_out,
        },
        drill=partial(answer, thrown_bomb),
    ),
)  # fmt: skip
REAL = (
    Case(
        feature="teleport", cast=(), pattern="*mewtwo*.slp", flags={"any_player": True},
        matters={"around a Teleport": around_a_teleport}, drill=around_a_teleport,
    ),
    Case(
        feature="item-tracking", cast=(), pattern="*link*.slp", flags={"any_player": True},
        matters={"an item out": item_out}, drill=item_out,
    ),
)  # fmt: skip


@torch.no_grad()
def losses(ready: Prepared) -> Iterator[tuple[int, int, npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
    """Of each held-out side piece by piece: game, fighter, rows observed, nats of what followed."""
    policy = ready.policy.eval()
    state = policy.initial_state(0)
    for plan in validation_plans(ready.held_out, 32, 256):
        step = plan.step(ready.held_out)
        tensors = to_tensors(step.batch, ready.device)
        state = carried_state(policy, state, step, ready.device)
        parts, state = policy.loss(tensors.floats, tensors.ids, tensors.decided, tensors.target, state)
        nats = parts.sum(-1).cpu().numpy().astype(np.float64)
        windows = plan.windows
        for lane in range(len(windows)):
            columns = np.flatnonzero(step.batch.counts[lane])
            rows = int(windows.start[lane]) + columns
            yield int(windows.game[lane]), int(windows.fighter[lane]), rows, nats[lane, columns]


Sums = dict[str, list[float]]


def scores(ready: Prepared, games: dict[str, Game], case: Case) -> dict[str, Sums]:
    """By kind of frames, of each held-out game: nats in all, and frames."""
    hashes = ready.held_out.table.hashes()
    kinds = {"all": lambda game, fighter: np.ones(len(game), bool), **case.matters}
    masks: dict[tuple[str, int, int], Mask] = {}
    sums: dict[str, Sums] = {kind: {} for kind in kinds}
    for index, fighter, rows, nats in losses(ready):
        game = games[hashes[index]]
        for kind, mask_of in kinds.items():
            key = (kind, index, fighter)
            if key not in masks:
                masks[key] = mask_of(game, fighter)
            chosen = masks[key][rows]
            total = sums[kind].setdefault(hashes[index], [0.0, 0.0])
            total[0] += float(nats[chosen].sum())
            total[1] += float(chosen.sum())
    return sums


def narrowed(store: FrameStore, games: dict[str, Game], mask_of: MaskOf, times: int) -> FrameStore:
    """`store` with `mask_of`'s frames alone as examples, `times` over; the others count as idle."""
    stretches = [np.zeros((0, 2), np.int32)]
    for game in store.table.hashes():
        for fighter in (0, 1):
            # A row is an example of the controller of the frame after it.
            idle = ~np.concatenate([[False], mask_of(games[game], fighter)[:-1]])
            edges = np.flatnonzero(np.diff(np.concatenate([[False], idle, [False]])))
            stretches.append(edges.reshape(-1, 2).astype(np.int32))
    table = attrs.evolve(
        store.table,
        idle=np.concatenate(stretches),
        idle_offset=np.cumsum([len(found) for found in stretches]).astype(np.int64),
    )
    sides = store.sides
    again = Sides(
        game=np.tile(sides.game, times),
        fighter=np.tile(sides.fighter, times),
        rows=np.tile(sides.rows, times),
    )
    return attrs.evolve(store, table=table, sides=again, drop_idle=True)


def first_side(sides: Sides) -> Sides:
    """One of them."""
    return Sides(game=sides.game[:1], fighter=sides.fighter[:1], rows=sides.rows[:1])


def run(
    case: Case,
    folder: str,
    games: dict[str, Game],
    seed: int,
    on: bool,
    manager: PluginManager,
    flags: dict[str, Any],
    drill: int,
    fold: int | None = None,
) -> Prepared:
    """One trained policy, with the games that were held out, or the one numbered `fold`. A `drill` trains on the
    answers alone, so many times."""
    settings = {
        "replays": (folder,), "seed": str(seed),
        "validation_fraction": "0.3", **case.flags, **flags,
    }  # fmt: skip
    if on:
        settings["features"] = case.feature
    resolved = resolve(manager, flags=settings)
    if fold is None:
        ready = prepare(resolved, manager, SilentReporter())
    else:
        with mock.patch("exphil_core.training.prepare.split_games", partial(one_held_out, fold)):
            ready = prepare(resolved, manager, SilentReporter())
    training, held_out = ready.training, ready.held_out
    if drill:
        training = narrowed(training, games, case.drill, drill)
        # It is one epoch, of which nothing is chosen: one side will do to validate it on.
        held_out = attrs.evolve(held_out, sides=first_side(held_out.sides))
    trainer = Trainer(resolved.config, ready.policy, training, held_out, ready.prior, SilentReporter())
    trainer.run(lambda result: print(f"    {result.validation.val_loss:.3f}", end="", flush=True))
    return ready


def one_held_out(fold: int, hashes: Sequence[str], fraction: float) -> tuple[list[int], list[int]]:
    """A split like that of `split_games`, by number."""
    held = sorted(range(len(hashes)), key=hashes.__getitem__)[fold]
    return [game for game in range(len(hashes)) if game != held], [held]


def compare(
    case: Case,
    folder: str,
    seeds: int,
    manager: PluginManager,
    flags: dict[str, Any],
    drill: int,
    in_turn: bool = False,
) -> Iterator[dict[str, Any]]:
    """The figures of one feature, after each seed; each game is held out `in_turn`, or some of them together."""
    found = [read_game(path, any_player=True) for path in sorted(Path(folder).rglob("*.slp"))]
    games = {game.info.game_hash: game for game in found}
    told: dict[bool, list[dict[str, Sums]]] = {False: [], True: []}
    for seed in range(seeds):
        for on in (False, True):
            print(f"{case.feature} {'on' if on else 'off'}, seed {seed}:", end="", flush=True)
            sums: dict[str, Sums] = {}
            for fold in range(len(games)) if in_turn else [None]:
                ready = run(case, folder, games, seed, on, manager, flags, drill, fold)
                for kind, of_games in scores(ready, games, case).items():
                    sums.setdefault(kind, {}).update(of_games)
            told[on].append(sums)
            print(flush=True)
        yield {
            "feature": case.feature, "games": len(games), "seeds": seed + 1, "schema": SCHEMA_VERSION,
            "frames": {kind: summary(told, kind) for kind in (*case.matters, "all")},
        }  # fmt: skip


def summary(told: dict[bool, list[dict[str, Sums]]], kind: str) -> dict[str, Any]:
    """Means over frames, seed by seed, and the mean gain a game and seed with its 95 % interval."""

    def mean(sums: Sums) -> float:
        return sum(nats for nats, _ in sums.values()) / max(sum(frames for _, frames in sums.values()), 1)

    pairs = [(off[kind], on[kind]) for off, on in zip(told[False], told[True], strict=True)]
    held_out = [name for name, (_, frames) in pairs[0][1].items() if frames > 0]
    gains = np.array(
        [[(off[name][0] - on[name][0]) / on[name][1] for name in held_out] for off, on in pairs]
    ).reshape(len(pairs), len(held_out))
    return {
        "off": [mean(off) for off, _ in pairs], "on": [mean(on) for _, on in pairs],
        "frames": int(sum(frames for _, frames in pairs[0][1].values())), "held out": len(held_out),
        "gain a game": float(gains.mean()) if held_out else float("nan"), "margin": margin(gains),
        "better": int((gains.mean(axis=0) > 0).sum()) if held_out else 0,
        "better seeds": int((gains.mean(axis=1) > 0).sum()) if held_out else 0,
    }  # fmt: skip


def margin(gains: npt.NDArray[np.float64]) -> float:
    """Half of the 95 % interval of the mean of `gains` (seeds, games), which other seeds and other games would move:
    the variances of the two ways' means added, with Welch and Satterthwaite's degrees of freedom. NaN for one seed
    or one game."""
    if min(gains.shape) < 2:
        return float("nan")
    parts = [gains.mean(axis=1 - way).var(ddof=1) / count for way, count in enumerate(gains.shape)]
    total = sum(parts)
    if total == 0:
        return 0.0
    freedom = total**2 / sum(part**2 / (count - 1) for part, count in zip(parts, gains.shape, strict=True))
    # Rounded down to what the table has, which makes the interval wider.
    factor = T95[max(known for known in T95 if known <= max(freedom, 1))]
    return float(factor * total**0.5)


def table(results: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    lines = [
        "| feature, frames | how many | without | with | gain, 95 % | better in |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        for which, s in result["frames"].items():
            off, on = (f"{statistics.fmean(s[key]):.3f}" for key in ("off", "on"))
            lines.append(
                f"| `{result['feature']}`, {which} | {s['frames']:,} | {off} | {on} | "
                f"{s['gain a game']:+.3f} ± {s['margin']:.3f} | {s['better seeds']} of {result['seeds']} seeds, "
                f"{s['better']} of {s['held out']} games |"
            )
    return "\n".join(lines)


def linked(case: Case, replays: Path, folder: Path) -> str:
    """A folder with the replays of the case alone, those that can be read."""
    for path in sorted(replays.rglob(case.pattern)):
        try:
            read_game(path, any_player=True)
        except Exception as error:
            print(f"left out {path.name}: {error}")
            continue
        (folder / path.name).write_bytes(path.read_bytes())
    return str(folder)


def main(arguments: list[str]) -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("which", choices=("sandbox", "real"))
    parser.add_argument("--replays", type=Path, default=Path())
    parser.add_argument("--feature", help="only this one")
    parser.add_argument("--games", type=int, default=240)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--sandbox-seed", type=int, default=77, help="of the games, not of the runs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--backbone", default="gru")
    parser.add_argument("--hidden", default="64")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--drill", type=int, default=0, metavar="N", help="train on the answers alone, N times in an epoch"
    )
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="other settings of the runs"
    )
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    flags = {
        "backbone": given.backbone,
        "hidden_sizes": given.hidden,
        "epochs": str(given.epochs),
        "device": given.device,
        **dict(setting.split("=", 1) for setting in given.set),
    }
    manager = with_features()
    results: list[dict[str, Any]] = []
    for case in SANDBOX if given.which == "sandbox" else REAL:
        if given.feature in (None, case.feature):
            with tempfile.TemporaryDirectory() as scratch:
                games = Path(scratch) / "games"
                games.mkdir()
                if given.which == "sandbox":
                    make_replays(
                        games,
                        games=given.games,
                        minutes=given.minutes,
                        seed=given.sandbox_seed,
                        characters=case.cast,
                    )
                    folder = str(games)
                else:
                    folder = linked(case, given.replays, games)
                cached = {**flags, "cache_dir": str(Path(scratch) / "cache")}
                for result in compare(
                    case, folder, given.seeds, manager, cached, given.drill, in_turn=given.which == "real"
                ):
                    results = [r for r in results if r["feature"] != case.feature] + [result]
                    print(table(results), flush=True)
                    if given.out:
                        given.out.write_text(json.dumps(results, indent=1), encoding="utf-8")


def with_features() -> PluginManager:
    """The registered plugins; from a checkout, with those beside it."""
    manager = load_plugins()
    missing = {"teleport", "item-tracking"} - set(manager.names("exphil_character_features"))
    if not missing:
        return manager
    import exphil_char_link.plugin
    import exphil_char_mewtwo.plugin

    return manager_with(exphil_char_link.plugin, exphil_char_mewtwo.plugin)


if __name__ == "__main__":
    main(sys.argv[1:])
