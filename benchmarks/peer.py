"""Our side of the comparison with slippi-ai: the same games, the same cells, the same CPU seconds on one core.

    python benchmarks/peer.py --games ~/replays/games --delays 0 18 --budgets 60 180 300 600
    python benchmarks/peer.py --games ~/replays/games --speed      # frames a second at about 3.8 M parameters

Trains on every frame of both human sides of all games but four, scores all sides of those four on slippi-ai's cells
(see `peer_cells`). Only training counts for the budgets: CPU seconds of the process, batches and all, one thread.
Writes a JSON a run and peer.md into the folder --out.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import torch
from learning import processor
from peer_cells import PARTS, Baselines, cell_losses, levels

from exphil_core.checkpoints.atomic import write_bytes, write_json
from exphil_core.config.resolve import resolve
from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ReplayError
from exphil_core.models.backbones.base import set_dropout
from exphil_core.models.policy import Policy, build_policy, parameter_count, policy_shape
from exphil_core.models.prior import ControllerCounts
from exphil_core.plugin_manager import load_plugins
from exphil_core.replays.controller import Cells
from exphil_core.replays.game import Game
from exphil_core.replays.slp import read_game
from exphil_core.training.allocator import keep_freed_memory
from exphil_core.training.batches import carried_state, to_tensors
from exphil_core.training.frames import FrameStore, build_store
from exphil_core.training.learner import Learner
from exphil_core.training.loop import sampler_of
from exphil_core.training.samples import Windows
from exphil_core.training.sampling import Step, validation_plans
from exphil_core.training.table import Runs, whole_sides

HELD_OUT = ("b89b770d", "38731120", "976f2930", "df8a477e")
# The first target that is scored: that of the first observation under a delay of 18.
FIRST_SCORED = 19
# Differences from the mixture are summed over so many frames: those close to each other aren't independent.
BLOCK = 600
MOST_FIGHTERS, MOST_FRAMES = 4, 1_000_000
CPU = torch.device("cpu")
Games = tuple[list[Game], list[Game]]
# slippi-ai's own figures, on the same frames and cells; see docs/benchmarks.md.
PEER = {
    0: {60: 1.961, 180: 1.467, 300: 1.372, 600: 1.319},
    18: {60: 2.072, 180: 1.480, 300: 1.385, 600: 1.359},
}
PEER_PARTS = {
    "main x": 0.498, "main y": 0.280, "shoulder": 0.145, "C x": 0.034, "C y": 0.036, "A": 0.025, "B": 0.055,
    "X": 0.052, "Y": 0.089, "Z": 0.013, "L": 0.027, "R": 0.065,
}  # fmt: skip
# Settings of ours, where they are not the defaults; --set changes them.
SETTINGS = {"backbone": "gru", "threads": "1", "epochs": "1000"}


class EveryFrame(FrameStore):
    """Each row is an example, before the game begins to listen and while nobody plays, as with slippi-ai."""

    def examples(self) -> Runs:
        return whole_sides(self.sides)

    def _counts(self, windows: Windows) -> npt.NDArray[np.bool_]:
        row = windows.start[:, None] + np.arange(windows.width)
        return np.asarray(row < windows.stop[:, None])


def every_frame(games: list[Game], delay: int) -> EveryFrame:
    """A store of the human sides of `games`."""
    store = build_store(games, [humans(game) for game in games], delay=delay, drop_idle=False)
    return EveryFrame(**{field.name: getattr(store, field.name) for field in attrs.fields(FrameStore)})


def humans(game: Game) -> list[int]:
    return [side for side, player in enumerate(game.info.players) if player.human]


def sides(games: list[Game]) -> list[Cells]:
    return [game.controller_TPC[:, side] for game in games for side in humans(game)]


def read_games(folder: Path, trial: Sequence[str] = ()) -> Games:
    """Training and held-out games. Version 1.0.0 is beyond slippi-ai's reader.

    With `trial`, endings of names, those games are held out of the training games, and the comparison's own four are
    not read: settings are chosen on these.
    """
    training: list[Game] = []
    held_out: list[Game] = []
    endings = tuple(trial) or HELD_OUT
    for path in sorted(folder.glob("*.slp")):
        try:
            game = read_game(path, any_player=True)
        except ReplayError:
            continue
        if game.info.version < (2, 0, 0) or (trial and path.stem.endswith(HELD_OUT)):
            continue
        (held_out if path.stem.endswith(endings) else training).append(game)
    return training, held_out


def outputs(
    policy: Policy, store: EveryFrame
) -> Iterator[tuple[torch.Tensor, Cells, Cells, npt.NDArray[np.int64]]]:
    """The backbone's outputs (n, H) on every scored frame, with its target, the controller before and the target's
    place: game, fighter and frame in one number, by which they sort."""
    state = policy.initial_state(0)
    for plan in validation_plans(store, 8, 256):
        step = plan.step(store)
        tensors = to_tensors(step.batch, CPU)
        state = carried_state(policy, state, step, CPU)
        y_BTH, state = policy.backbone(policy.embedding(tensors.floats, tensors.ids), state)
        target_row = plan.windows.start[:, None] + np.arange(plan.windows.width) + 1 + store.delay
        scored = step.batch.counts & (target_row >= FIRST_SCORED)
        side = plan.windows.game * MOST_FIGHTERS + plan.windows.fighter
        place = side[:, None] * MOST_FRAMES + target_row
        y_nH = y_BTH[torch.from_numpy(scored)]
        yield y_nH, step.batch.target[scored], step.batch.decided[scored], place[scored]


@torch.no_grad()
def scores(policy: Policy, store: EveryFrame, mixture: Mixture) -> dict[str, Any]:
    """Nats a frame on slippi-ai's cells, and by how much each part is worse than the mixture."""
    policy.eval()
    losses, changes, places = [], [], []
    for y_nH, target, last, place in outputs(policy, store):
        losses.append(cell_losses(policy.head, y_nH, target, last))
        changes.append((levels(target) != levels(last)).any(axis=1))
        places.append(place)
    policy.train()
    order = np.argsort(np.concatenate(places))
    losses_n13 = np.concatenate(losses)[order]
    return summary(losses_n13, np.concatenate(changes)[order]) | {"worse": mixture.worse(losses_n13)}


def summary(losses_n13: npt.NDArray[np.float64], changed_n: npt.NDArray[np.bool_]) -> dict[str, Any]:
    each = losses_n13.sum(axis=1)
    return {
        "all": float(each.mean()),
        "change": float(each[changed_n].mean()),
        "hold": float(each[~changed_n].mean()),
        "parts": dict(zip(PARTS, map(float, losses_n13.mean(axis=0)), strict=True)),
        "frames": len(each),
        "changes": float(changed_n.mean()),
    }


@attrs.frozen(eq=False)
class Mixture:
    """The mixture's nats (n, 13) of the scored frames, side after side, and the block that each lies in."""

    losses: npt.NDArray[np.float64]
    block: npt.NDArray[np.int64]

    def worse(self, losses_n13: npt.NDArray[np.float64]) -> dict[str, list[float]]:
        """By how many nats a frame each part of `losses_n13` is worse, with the half width of a 95 % interval over
        blocks."""
        frames, blocks = len(self.losses), int(self.block.max()) + 1
        sums = np.zeros((blocks, len(PARTS)))
        np.add.at(sums, self.block, losses_n13 - self.losses)
        half = 1.96 * sums.std(axis=0, ddof=1) * blocks**0.5 / frames
        mean = sums.sum(axis=0) / frames
        return {part: [float(mean[i]), float(half[i])] for i, part in enumerate(PARTS)}


def baselines(training: list[Game], held_out: list[Game]) -> tuple[dict[str, Any], Mixture]:
    """Both, on the scored frames."""
    fitted = Baselines(sides(training))
    own = [levels(side) for side in sides(held_out)]
    now = np.concatenate([side[FIRST_SCORED:] for side in own])
    last = np.concatenate([side[FIRST_SCORED - 1 : -1] for side in own])
    changed = (now != last).any(axis=1)
    mixture, block, blocks = fitted.mixture(now, last), [], 0
    for side in own:
        # Blocks as even as they can be: a short one would count as much as the others.
        frames = len(side) - FIRST_SCORED
        count = max(1, round(frames / BLOCK))
        block.append(blocks + np.arange(frames) * count // frames)
        blocks += count
    found = {"marginal": summary(fitted.marginal(now), changed), "mixture": summary(mixture, changed)}
    return found, Mixture(mixture, np.concatenate(block))


def new_policy(config: TrainConfig, store: EveryFrame) -> Policy:
    torch.manual_seed(config.seed)
    shape = policy_shape(
        config.backbone, config.hidden_sizes, config.backbone_options, store.schema, config.head
    )
    policy = build_policy(load_plugins(), shape)
    counts = ControllerCounts()
    for cells, last in store.targets_of(store.examples()):
        counts.add(cells, last)
    policy.head.set_prior(counts.prior())
    set_dropout(policy, config.dropout)
    return policy


def steps(config: TrainConfig, store: EveryFrame) -> Iterator[tuple[int, Step]]:
    """Batches for ever, in the epochs' own orders, made in this thread so that their time counts."""
    sampler = sampler_of(config, store)
    for epoch in range(config.epochs):
        for step in sampler.epoch(np.random.default_rng([config.seed, epoch])):
            yield epoch, step


class Watch:
    """CPU seconds of this process, but for what is not training."""

    def __init__(self) -> None:
        self.began = time.process_time()

    def seconds(self) -> float:
        return time.process_time() - self.began

    def without(self, spent: float) -> None:
        self.began += spent


def run(
    config: TrainConfig, delay: int, budgets: list[int], games: Games, mixture: Mixture
) -> Iterator[dict[str, Any]]:
    """Train for the largest of `budgets` CPU seconds; all results so far whenever one of them is spent.

    The schedule's end is that of the largest.
    """
    config = attrs.evolve(config, delay=delay)
    training, held_out = (every_frame(part, delay) for part in games)
    policy = new_policy(config, training)
    learner = Learner(config, policy, total_steps=10**9)
    policy.train()
    ahead, scored, frames, taken = sorted(budgets), {}, 0, 0
    watch = Watch()
    for epoch, step in steps(config, training):
        _, count = learner.update([step])
        frames, taken, spent = frames + count, taken + 1, watch.seconds()
        # The schedule follows the run's length in steps, which the pace so far foretells.
        learner.total_steps = max(taken + 1, int(taken * ahead[-1] / spent))
        if spent < ahead[0]:
            continue
        with learner.shown() as shown:
            at = time.process_time()
            score = scores(shown, held_out, mixture)
        watch.without(time.process_time() - at)
        scored[str(ahead.pop(0))] = score | {
            "cpu_seconds": round(spent, 1), "steps": taken, "frames": frames,
            "passes": round(frames / int(training.sides.rows.sum()), 1),
            "frames_per_second": round(frames / spent),
        }  # fmt: skip
        print(
            f"delay {delay}, {spent:.0f} CPU seconds, {taken} steps, epoch {epoch}: {brief(score)}",
            flush=True,
        )
        yield {
            "delay": delay,
            "seed": config.seed,
            "settings": {**attrs.asdict(config), "replays": None},
            "parameters": parameter_count(policy),
            "budgets": scored,
            "processor": processor(),
            "torch": torch.__version__,
        }
        if not ahead:
            return


def brief(score: dict[str, Any]) -> str:
    return f"{score['all']:.3f} all, {score['change']:.3f} change, {score['hold']:.3f} hold"


def speed(config: TrainConfig, games: Games, seconds: float = 40.0) -> dict[str, Any]:
    """Frames a CPU second of whole training steps, batches included."""
    store = every_frame(games[0], 0)
    policy = new_policy(config, store)
    learner, frames, watch = Learner(config, policy, 10**9), 0, None
    for number, (_, step) in enumerate(steps(config, store)):
        _, count = learner.update([step])
        if number == 1:  # the first steps allocate
            watch, frames = Watch(), 0
            continue
        frames += count
        if watch is not None and watch.seconds() > seconds:
            break
    assert watch is not None
    return {
        "backbone": config.backbone, "hidden_sizes": list(config.hidden_sizes),
        "parameters": parameter_count(policy), "frames_per_second": round(frames / watch.seconds()),
    }  # fmt: skip


def report(runs: list[dict[str, Any]], base: dict[str, Any], speeds: list[dict[str, Any]]) -> str:
    lines = [
        f"{base['mixture']['frames']:,} frames scored, {base['mixture']['changes']:.1%} of them changes. "
        + (f"{runs[0]['processor']}, torch {runs[0]['torch']}, one thread." if runs else ""),
        "",
        "| nats a frame | all | change | hold | slippi-ai, all | steps | passes | frames/s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in ("marginal", "mixture"):
        score = base[name]
        lines.append(f"| {name} | {score['all']:.3f} | {score['change']:.3f} | {score['hold']:.3f} | | | | |")
    for one in runs:
        for budget, score in one["budgets"].items():
            peer = PEER.get(one["delay"], {}).get(int(budget))
            lines.append(
                f"| delay {one['delay']}, {budget} CPU s | **{score['all']:.3f}** | {score['change']:.3f} "
                f"| {score['hold']:.3f} | {peer or ''} | {score['steps']} | {score['passes']} "
                f"| {score['frames_per_second']:,} |"
            )
    return "\n".join([*lines, "", *part_table(runs, base), "", *speed_table(speeds)]).strip() + "\n"


def part_table(runs: list[dict[str, Any]], base: dict[str, Any]) -> list[str]:
    """Each part after the last budget, and how much worse it is than the mixture where it may be."""
    last = [(one, list(one["budgets"].values())[-1]) for one in runs if one["budgets"]]
    heads = [f"ours, delay {one['delay']}, seed {one['seed']}" for one, _ in last]
    lines = [
        f"| part | mixture | slippi-ai, delay 0 | {' | '.join(heads)} |",
        "|---|---|---|" + "---|" * len(last),
    ]
    for part in PARTS:
        mixture = base["mixture"]["parts"][part]
        ours = []
        for _, score in last:
            worse, half = score["worse"][part]
            note = f" ({worse:+.4f} ± {half:.4f})" if worse > -half else ""
            ours.append(f"{score['parts'][part]:.3f}{note}")
        lines.append(f"| {part} | {mixture:.3f} | {PEER_PARTS.get(part, '')} | {' | '.join(ours)} |")
    return lines


def speed_table(speeds: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| | parameters | frames a CPU second |",
        "|---|---|---|",
        "| slippi-ai | 3.78 M | 3,030–3,640 |",
    ]
    for found in speeds:
        sizes = ",".join(map(str, found["hidden_sizes"]))
        lines.append(
            f"| `{found['backbone']}` {sizes} | {found['parameters'] / 1e6:.2f} M | {found['frames_per_second']:,} |"
        )
    return lines if speeds else []


# About 3.8 million parameters each. Recurrent weights of a layer of 256 stay in a core's second-level cache.
EQUAL_SIZE = {
    "lstm": ",".join(["256"] * 6), "gru": ",".join(["256"] * 8), "mamba": "504,504",
    "sliding_window": "456,456", "hybrid": "480,480",
}  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--games", type=Path, required=True, help="folder of the replays")
    parser.add_argument("--out", type=Path, default=Path("peer"), help="folder of results")
    parser.add_argument("--delays", type=int, nargs="+", default=[0, 18])
    parser.add_argument("--budgets", type=int, nargs="+", default=[60, 180, 300, 600], help="CPU seconds")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="FLAG=VALUE", help="settings of `exphil train`"
    )
    parser.add_argument("--name", default="peer", help="of the results' files")
    parser.add_argument("--speed", nargs="*", metavar="BACKBONE", help="only speed at equal size")
    parser.add_argument(
        "--trial", nargs="+", default=[], metavar="NAME", help="hold these out instead, to choose settings"
    )
    parser.add_argument("--baselines", action="store_true", help="only the baselines")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    keep_freed_memory()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    games = read_games(given.games, given.trial)
    base, mixture = baselines(*games)
    frames = sum(len(side) for side in sides(games[0]))
    print(f"{frames:,} frames of {len(sides(games[0]))} sides to train on; marginal: {brief(base['marginal'])}; "
          f"mixture: {brief(base['mixture'])}", flush=True)  # fmt: skip
    write_json(given.out / "baselines.json", base)
    flags = SETTINGS | {name.replace("-", "_"): v for name, v in (s.split("=", 1) for s in given.set)}

    def settings(**more: str) -> TrainConfig:
        return resolve(load_plugins(), flags=flags | more).config

    if given.speed is not None:
        for name in given.speed or EQUAL_SIZE:
            config = settings(backbone=name, hidden_sizes=EQUAL_SIZE[name])
            if config.temporal:
                config = attrs.evolve(config, batch_size=64)
            found = speed(config, games)
            print(found, flush=True)
            write_json(given.out / f"speed-{name}.json", found)
    elif not given.baselines:
        for delay in given.delays:
            for result in run(settings(), delay, given.budgets, games, mixture):
                write_json(given.out / f"{given.name}-delay{delay}.json", result)
    read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(given.out.glob("*.json"))]
    runs = [one for one in read if "budgets" in one]
    text = report(runs, base, [one for one in read if "frames_per_second" in one])
    write_bytes(given.out / "peer.md", text.encode())
    print(text)


if __name__ == "__main__":
    main()
