"""Measures how far characters hit in real replays: `python tools/measure_reach.py REPLAYS…` prints a table.

A hit: the opponent's percent rises and it is in a damage state, while the attacker is in a jab, tilt, smash or aerial
and no item of its is near the opponent. A reach is the 95th percentile of the distances between the two positions.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from exphil_core.errors import ReplayError
from exphil_core.melee.characters import BY_INTERNAL
from exphil_core.replays.game import STATE, Game
from exphil_core.replays.slp import read_game

FIRST_ATTACK, LAST_ATTACK = 44, 69
DAMAGE = range(75, 92)
NEAR_ITEM, FARTHEST = 25.0, 60.0


def hits(game: Game, attacker: int) -> np.ndarray:
    """The frames in which a normal attack of `attacker` connects."""
    hurt = np.diff(game.state_TPF[:, 1 - attacker, STATE["percent"]], prepend=np.inf) > 0
    attack = (game.action_TP[:, attacker] >= FIRST_ATTACK) & (game.action_TP[:, attacker] <= LAST_ATTACK)
    frames = np.flatnonzero(hurt & attack & np.isin(game.action_TP[:, 1 - attacker], DAMAGE))
    items = game.items
    own = items.owner == attacker
    where = items.frame()[own]
    distance = np.abs(items.x[own] - game.state_TPF[where, 1 - attacker, STATE["x"]])
    shot_at = np.unique(where[distance < NEAR_ITEM])
    return frames[~np.isin(frames, shot_at)]


def main(paths: list[str]) -> None:
    """Print name, reach across, reach up or down and number of hits of every character seen hitting."""
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    games = 0
    for path in sorted(file for folder in paths for file in Path(folder).rglob("*.slp")):
        try:
            game = read_game(path, any_player=True)
        except ReplayError:
            continue
        games += 1
        place = game.state_TPF[:, :, [STATE["x"], STATE["y"]]]
        way = np.abs(place[:, 0] - place[:, 1])
        for attacker in (0, 1):
            frames = hits(game, attacker)
            for frame in frames[(way[frames] < FARTHEST).all(axis=1)]:
                who = BY_INTERNAL.get(int(game.character_TP[frame, attacker]))
                if who is not None:
                    found[who.name].append(way[frame])
    print(f"{games} games")
    for name, ways in sorted(found.items()):
        across, up = np.percentile(np.array(ways), 95, axis=0)
        print(f'    "{name}": ({across:.0f}, {up:.0f}),  # {len(ways)} hits')


if __name__ == "__main__":
    main(sys.argv[1:])
