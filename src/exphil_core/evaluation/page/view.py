"""A timeline as the page holds it: the stage, both fighters, items, the player's inputs and the model's chances.

Shapes: T frames, P = 2 fighters in port order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from exphil_core.evaluation.page.actions import action_spans
from exphil_core.evaluation.page.columns import column
from exphil_core.evaluation.timeline import StickChances, Timeline
from exphil_core.melee import FIRST_FRAME, FRAMES_PER_SECOND
from exphil_core.melee.characters import BY_INTERNAL
from exphil_core.melee.controller import BUTTONS, SHOULDER_STEPS, STICK_STEPS
from exphil_core.melee.randall import PATH, WIDTH
from exphil_core.melee.stages import STADIUM_FORMS, Stage
from exphil_core.replays.controller import AXIS_STEPS, SHOULDER_LEVELS
from exphil_core.replays.game import STATE, Game

# Positions to a twentieth of a unit: a pixel is ten times as wide.
PLACE_SCALE = 20
# Nats to a thousandth, up to 65; the highest number stands for "not predicted".
NATS_SCALE, NO_NATS = 1000, 65535
CHANCE_SCALE = 255
FLAGS = ("airborne", "invulnerable", "hitlag", "hitstun")


def view_of(line: Timeline, file: str) -> dict[str, Any]:
    """Everything that the page shows of a game, as JSON holds it. `file` is what the game is called."""
    game = line.game
    return {
        "file": file,
        "game": game.info.game_hash,
        "frames": len(game),
        "first_frame": FIRST_FRAME,
        "fps": FRAMES_PER_SECOND,
        "delay": line.delay,
        "fighter": line.fighter,
        "loss": line.loss,
        "examples": int(line.example_T.sum()),
        "buttons": list(BUTTONS),
        "axis": (AXIS_STEPS / STICK_STEPS).tolist(),
        "shoulder_levels": (SHOULDER_LEVELS / SHOULDER_STEPS).tolist(),
        "actions": [list(span) for span in action_spans()],
        "stage": _stage(game.info.stage, game),
        "fighters": [_fighter(game, fighter) for fighter in (0, 1)],
        "items": _items(game),
        "model": _model(line),
    }


def _stage(stage: Stage, game: Game) -> dict[str, Any]:
    on_yoshis = stage.name == "yoshisstory"
    return {
        "name": stage.name,
        "title": stage.title,
        "edge": stage.edge_x,
        "ledge": stage.ledge_x,
        "blast": [stage.blast_left, stage.blast_right, stage.blast_top, stage.blast_bottom],
        "platforms": [[p.height, p.left, p.right] for p in stage.platforms],
        "heights": None if game.platform_TS is None else column(game.platform_TS, "i16", PLACE_SCALE),
        "forms": None if game.form_T is None else column(game.form_T, "u8"),
        "form_names": list(STADIUM_FORMS),
        "randall": column(PATH, "i16", PLACE_SCALE) if on_yoshis else None,
        "randall_width": WIDTH,
    }


def _fighter(game: Game, fighter: int) -> dict[str, Any]:
    player, state = game.info.players[fighter], game.state_TPF[:, fighter]
    flags = sum((np.nan_to_num(state[:, STATE[name]]) > 0) * (1 << bit) for bit, name in enumerate(FLAGS))
    return {
        "port": player.port + 1,
        "tag": player.tag,
        "code": player.code,
        "human": player.human,
        "characters": _characters(game.character_TP[:, fighter]),
        "x": column(state[:, STATE["x"]], "i16", PLACE_SCALE),
        "y": column(state[:, STATE["y"]], "i16", PLACE_SCALE),
        "facing": column(state[:, STATE["facing"]], "i8"),
        "percent": column(state[:, STATE["percent"]], "u16"),
        "shield": column(state[:, STATE["shield"]], "u8", 2),
        "stocks": column(state[:, STATE["stocks"]], "u8"),
        "action": column(game.action_TP[:, fighter], "u16"),
        "flags": column(flags, "u8"),
        "controller": column(game.controller_TPC[:, fighter], "u8"),
        "partner": _partner(game, fighter),
    }


def _characters(internal_T: npt.NDArray[np.uint8]) -> list[list[Any]]:
    """[first frame, title] wherever the character becomes another one: Zelda and Sheik do."""
    starts = np.flatnonzero(np.r_[True, internal_T[1:] != internal_T[:-1]])
    return [
        [int(start), BY_INTERNAL[number].title if number in BY_INTERNAL else f"character {number}"]
        for start, number in zip(starts, internal_T[starts].tolist(), strict=True)
    ]


def _partner(game: Game, fighter: int) -> dict[str, Any] | None:
    """The second of the Ice Climbers, if this fighter has one."""
    if game.partner_state_TPF is None or game.partner_action_TP is None:
        return None
    state = game.partner_state_TPF[:, fighter]
    there = np.isfinite(state[:, STATE["x"]])
    if not there.any():
        return None
    return {
        "there": column(there, "u8"),
        "x": column(state[:, STATE["x"]], "i16", PLACE_SCALE),
        "y": column(state[:, STATE["y"]], "i16", PLACE_SCALE),
        "facing": column(state[:, STATE["facing"]], "i8"),
        "action": column(game.partner_action_TP[:, fighter], "u16"),
    }


def _items(game: Game) -> dict[str, Any] | None:
    """The fighters' items; frame t has those from offset[t] to offset[t + 1]. None: the replay doesn't say."""
    items = game.items
    if not items.known:
        return None
    return {
        "offset": column(items.offset, "u32"),
        "type": column(items.type, "u16"),
        "owner": column(items.owner, "u8"),
        "x": column(items.x, "i16", PLACE_SCALE),
        "y": column(items.y, "i16", PLACE_SCALE),
    }


def _model(line: Timeline) -> dict[str, Any]:
    none = np.isnan(line.loss_TG)
    # The highest number is spoken for.
    nats = np.minimum(np.where(none, 0, line.loss_TG), (NO_NATS - 1) / NATS_SCALE)
    return {
        "nats": column(np.where(none, NO_NATS / NATS_SCALE, nats), "u16", NATS_SCALE),
        "example": column(line.example_T, "u8"),
        "press": column(line.press_TB, "u8", CHANCE_SCALE),
        "shoulder": column(line.shoulder_T, "u8", CHANCE_SCALE),
        "main": _sticks(line.main),
        "c": _sticks(line.c),
    }


def _sticks(stick: StickChances) -> dict[str, Any]:
    return {
        "x": column(stick.x_TK, "u8"),
        "y": column(stick.y_TK, "u8"),
        "chance": column(stick.chance_TK, "u8", CHANCE_SCALE),
    }
