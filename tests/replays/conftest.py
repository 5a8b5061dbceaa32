"""Games of random bits, for what must keep every one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from exphil_core.melee.characters import CHARACTERS
from exphil_core.melee.stages import STAGES
from exphil_core.replays.game import STATE_COLUMNS, Game, GameInfo, Player
from exphil_core.replays.items import ItemRows, no_items

FIGHTER = {"P": 2, "F": len(STATE_COLUMNS), "C": 6, "S": 2}


def bits(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Any bits: NaNs of all kinds, infinities, negative zeros."""
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(rng.bytes(count), dtype).reshape(shape).copy()


def made_up_game(frames: int, seed: int, *, items: int | None = 5, blocks: bool = True) -> Game:
    """`items`: how many at most in a frame; None: nothing known of them."""
    rng = np.random.default_rng(seed)
    first, second = (
        Player(
            port=port,
            character=CHARACTERS[int(rng.integers(len(CHARACTERS)))],
            human=bool(rng.integers(2)),
            tag="tæg\n",
            code="A#1",
        )
        for port in (0, 3)
    )
    info = GameInfo(
        path=Path("somewhere"),
        sha256=rng.bytes(32).hex(),
        game_hash=rng.bytes(31).hex() + "00",
        version=(3, 16, 0),
        stage=STAGES[int(rng.integers(len(STAGES)))],
        players=(first, second),
        rows=frames + 3,
        rolled_back=3,
    )
    optional = {
        "partner_state_TPF": bits(rng, (frames, 2, FIGHTER["F"]), np.float32),
        "partner_action_TP": bits(rng, (frames, 2), np.int16),
        "form_T": bits(rng, (frames,), np.uint8),
    }
    return Game(
        info=info,
        state_TPF=bits(rng, (frames, 2, FIGHTER["F"]), np.float32),
        action_TP=bits(rng, (frames, 2), np.int16),
        character_TP=bits(rng, (frames, 2), np.uint8),
        controller_TPC=bits(rng, (frames, 2, 6), np.uint8) % 3,
        items=_items(rng, frames, items),
        **(optional if blocks else {}),
    )


def _items(rng: np.random.Generator, frames: int, most: int | None) -> ItemRows:
    if most is None:
        return no_items(frames)
    offset = np.r_[0, np.cumsum(rng.integers(0, most + 1, frames))].astype(np.int64)
    empty = no_items(0, known=True)
    arrays = {
        field.name: bits(
            rng, (int(offset[-1]), *getattr(empty, field.name).shape[1:]), getattr(empty, field.name).dtype
        )
        for field in attrs.fields(ItemRows)
        if field.name not in ("offset", "known")
    }
    return ItemRows(offset=offset, known=True, **arrays)


def same_bits(first: Any, second: Any) -> bool:
    """Whether two games, or two arrays, are equal to the bit."""
    if isinstance(first, np.ndarray):
        return (
            first.dtype == second.dtype
            and first.shape == second.shape
            and first.tobytes() == second.tobytes()
        )
    if isinstance(first, (Game, ItemRows)):
        return all(
            same_bits(getattr(first, field.name), getattr(second, field.name))
            for field in attrs.fields(type(first))
        )
    return bool(first == second)


@pytest.fixture(scope="session")
def make_game() -> Any:
    """`made_up_game`."""
    return made_up_game


@pytest.fixture(scope="session")
def same() -> Any:
    """`same_bits`."""
    return same_bits
