"""Tables of the learning benchmark: losses with their spread over seeds, and pairs of policies game by game."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

Results = list[dict[str, Any]]
DRAWS = 10_000


def read(folder: Path) -> Results:
    """Every result in `folder`, in the order of their names."""
    found = []
    for path in sorted(folder.glob("*-seed*.json")):
        if not path.name.endswith(".job.json"):
            found.append(json.loads(path.read_text(encoding="utf-8")))
    return found


def label(result: dict[str, Any]) -> str:
    return (
        result["backbone"]
        if result["head"] == "autoregressive"
        else f"{result['backbone']}, independent head"
    )


def by_seed(results: Results) -> dict[str, Results]:
    """Whole runs by label; a run that was cut short says nothing about what its settings learn."""
    grouped = defaultdict(list)
    for result in results:
        if not result["cut_short"] and "=" not in result["name"] and "-base-" not in result["name"]:
            grouped[label(result)].append(result)
    return dict(grouped)


def spread(values: list[float], digits: int = 4) -> str:
    """Mean and half of the range."""
    half = (max(values) - min(values)) / 2
    return f"{statistics.mean(values):.{digits}f}" + (f" ± {half:.{digits}f}" if len(values) > 1 else "")


def pairs(first: Results, second: Results, key: str = "loss") -> dict[str, Any]:
    """Loss of `first` less that of `second`, nats a frame, on the same games: the mean weighted with the games'
    frames, and its 95 % interval when games, and seeds on both sides, are drawn anew."""
    names = sorted({game["game"] for result in first for game in result["games"]})
    losses = [table(results, names, key) for results in (first, second)]
    counts = "change_frames" if key == "loss_change" else "frames"
    frames = {game["game"]: game[counts] for game in first[0]["games"]}
    weights = np.array([frames[name] for name in names], float)
    each = losses[0].mean(axis=0) - losses[1].mean(axis=0)
    rng = np.random.default_rng(0)
    drawn = np.empty(DRAWS)
    for draw in range(DRAWS):
        games = rng.integers(len(names), size=len(names))
        means = [loss[rng.integers(len(loss), size=len(loss))][:, games].mean(axis=0) for loss in losses]
        drawn[draw] = np.average(means[0] - means[1], weights=weights[games])
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "mean": float(np.average(each, weights=weights)), "low": float(low), "high": float(high),
        "games": len(names), "better": int((each < 0).sum()),
    }  # fmt: skip


def table(results: Results, names: list[str], key: str) -> np.ndarray:
    """(seeds, games)"""
    found = [{game["game"]: game[key] for game in result["games"]} for result in results]
    return np.array([[losses[name] for name in names] for losses in found])


def comparison(results: Results, about: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """All figures, and the text for the documentation."""
    grouped = by_seed(results)
    if not grouped:
        return {"machine": about}, "no run is whole\n"
    one = next(iter(grouped.values()))[0]
    lines = [header(one, about, grouped), "", *loss_table(grouped), ""]
    compared = comparisons(grouped)
    lines += [*pair_table(compared), ""]
    cut = [result["name"] for result in results if result["cut_short"]]
    lines += [f"Cut short by the time limit and left out: {', '.join(cut)}."] if cut else []
    document = {
        "machine": about,
        "runs": [{key: value for key, value in result.items() if key != "games"} for result in results],
        "games": {result["name"]: result["games"] for result in results},
        "pairs": compared,
    }
    return document, "\n".join(lines) + "\n"


def header(one: dict[str, Any], about: dict[str, Any], grouped: dict[str, Results]) -> str:
    games, best, settings = len(one["games"]), one["best"], one["settings"]
    seeds = ", ".join(
        str(seed) for seed in sorted({run["seed"] for runs in grouped.values() for run in runs})
    )
    return (
        f"{one['training_games'] + games} games, split by game: {one['training_examples']:,} frames of "
        f"{one['training_games']} games to train on, {best['frames']:,} of {games} held out, of which the controller "
        f"changes on {best['change_frames'] / best['frames']:.1%}. {settings['epochs']} epochs, "
        f"seeds {seeds}, learning rate {settings['lr']:g}, the best epoch's weights. "
        f"{about.get('date')}, {one['device']}"
        f"{'' if one['device'] == 'cpu' else ', host'} {about.get('processor')}, {about.get('cores')} cores, "
        f"torch {one['torch']}. Nats a frame; ± is half the range over seeds."
    )


def loss_table(grouped: dict[str, Results]) -> list[str]:
    lines = [
        "| | all frames | frames that change | best epoch | seconds to train | parameters |",
        "|---|---|---|---|---|---|",
    ]
    best = next(iter(grouped.values()))[0]["best"]
    for name in ("marginal", "repeat"):
        overall, change = best[f"baseline_{name}"], best[f"baseline_{name}_change"]
        lines.append(f"| {name} baseline | {overall:.4f} | {change:.4f} | | | |")
    ordered = sorted(
        grouped.items(), key=lambda item: statistics.mean(r["best"]["val_loss"] for r in item[1])
    )
    for name, runs in ordered:
        epochs = ", ".join(str(run["best_epoch"]) for run in runs)
        lines.append(
            f"| {name} | {spread([r['best']['val_loss'] for r in runs])} "
            f"| {spread([r['best']['val_loss_change'] for r in runs])} | {epochs} "
            f"| {spread([r['training_seconds'] for r in runs], 0)} | {runs[0]['parameters']:,} |"
        )
    return lines


def comparisons(grouped: dict[str, Results]) -> dict[str, Any]:
    """Each temporal backbone against `mlp`, and each autoregressive head against its independent one."""
    wanted = (
        [(name, "mlp") for name in grouped if name != "mlp" and "," not in name] if "mlp" in grouped else []
    )
    wanted += [
        (name.split(",")[0], name) for name in grouped if "," in name and name.split(",")[0] in grouped
    ]
    return {
        f"{first} against {second}": {
            key: pairs(grouped[first], grouped[second], key) for key in ("loss", "loss_change")
        }
        for first, second in wanted
    }


def pair_table(compared: dict[str, Any]) -> list[str]:
    lines = [
        "| difference, negative where the first is better | all frames | frames that change | better on |",
        "|---|---|---|---|",
    ]
    for name, keys in compared.items():
        each = [f"{k['mean']:+.4f} ({k['low']:+.4f} to {k['high']:+.4f})" for k in keys.values()]
        games = keys["loss"]
        lines.append(f"| {name} | {each[0]} | {each[1]} | {games['better']} of {games['games']} games |")
    return lines


def sweep(results: Results, about: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """One setting moved at a time, each backbone against its own base on the same games."""
    runs = [r for r in results if "=" in r["name"] or "-base-" in r["name"]]
    bases = {r["backbone"]: r for r in runs if "-base-" in r["name"]}
    lines = [
        "| backbone | setting | val_loss | against the base | frames that change | best epoch | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    compared = {}
    for run in sorted(runs, key=lambda r: (r["backbone"], r["cut_short"], r["best"]["val_loss"])):
        setting = run["name"].removeprefix(f"{run['backbone']}-").rsplit("-seed", 1)[0]
        base, against = bases.get(run["backbone"]), ""
        if base is not None and base is not run and same_games(base, run):
            found = compared[run["name"]] = pairs([run], [base])
            against = f"{found['mean']:+.4f} ({found['low']:+.4f} to {found['high']:+.4f})"
        lines.append(
            f"| {run['backbone']} | `{setting}`{' (cut short)' if run['cut_short'] else ''} "
            f"| {run['best']['val_loss']:.4f} | {against} | {run['best']['val_loss_change']:.4f} "
            f"| {run['best_epoch']} of {run['epochs']} | {run['training_seconds']:.0f} |"
        )
    return {"machine": about, "runs": runs, "pairs": compared}, "\n".join(lines) + "\n"


def same_games(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return {g["game"] for g in first["games"]} == {g["game"] for g in second["games"]}
