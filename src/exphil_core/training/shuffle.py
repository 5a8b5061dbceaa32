"""Random numbers and random order by index, in constant memory: what the millionth draw of an epoch is can be known
without making those before it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1
_ROUNDS = 6


def scrambled(key: int, index: npt.ArrayLike) -> Words:
    """A random 64-bit word for each index (SplitMix64 of the key's stream)."""
    words = np.atleast_1d(np.asarray(index)).astype(np.uint64)
    words = (words + np.uint64(1)) * np.uint64(_GOLDEN) + np.uint64(key & _WORD)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    final: Words = words ^ (words >> np.uint64(31))
    return final


def chances(key: int, index: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """A random number in [0, 1) for each index."""
    drawn: npt.NDArray[np.float64] = (scrambled(key, index) >> np.uint64(11)).astype(np.float64) / (1 << 53)
    return drawn


def shuffled(key: int, size: int, index: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """What stands at `index` of a random order of 0…size-1.

    A Feistel network over the next power of four, walked until it lands below `size`: a bijection, so that each
    number stands somewhere exactly once.
    """
    half = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
    places = np.atleast_1d(np.asarray(index)).astype(np.uint64)
    places = _feistel(key, half, places)
    outside = np.flatnonzero(places >= size)
    while len(outside):
        places[outside] = _feistel(key, half, places[outside])
        outside = outside[places[outside] >= size]
    return places.astype(np.int64)


def _feistel(key: int, half: int, words: Words) -> Words:
    mask, shift = np.uint64((1 << half) - 1), np.uint64(half)
    left, right = words >> shift, words & mask
    for number in range(_ROUNDS):
        left, right = right, left ^ (scrambled(key + number, right) & mask)
    joined: Words = (left << shift) | right
    return joined
