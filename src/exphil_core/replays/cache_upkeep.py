"""The cache as files: how large it is, whether it is whole, and how to be rid of it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

from exphil_core.replays.shards import DATA, INDEX, DamagedShard, clean, delete_shard, open_shard, shard_names

PREFIXES = ("rows-", "feature-")


def cache_size(cache: Path) -> int:
    """Bytes of all shards of all recipes."""
    sizes = 0
    for folder in recipe_folders(cache):
        for path in folder.iterdir():
            if path.suffix in (DATA, INDEX):
                with contextlib.suppress(OSError):
                    sizes += path.stat().st_size
    return sizes


def recipe_folders(cache: Path) -> list[Path]:
    """The folders of all recipes, this version's and others'."""
    if not cache.is_dir():
        return []
    return sorted(path for path in cache.iterdir() if path.is_dir() and path.name.startswith(PREFIXES))


def clear(cache: Path) -> int:
    """Delete all shards; returns how many bytes. What a run has mapped goes when that run ends (on Windows, it
    stays)."""
    before = cache_size(cache)
    for folder in recipe_folders(cache):
        for name in shard_names(folder):
            delete_shard(folder, name)
        clean(folder)
        with contextlib.suppress(OSError):
            folder.rmdir()
    return before - cache_size(cache)


def verify(cache: Path, progress: Callable[[int], None] = lambda _: None) -> list[str]:
    """Compare every array of every shard with its sha256. Damaged shards are deleted; returns what was wrong."""
    damaged, done = [], 0
    for folder in recipe_folders(cache):
        for name in shard_names(folder):
            try:
                open_shard(folder, name)[0].check_content()
            except DamagedShard as error:
                damaged.append(f"{folder / name}: {error}")
                delete_shard(folder, name)
            except FileNotFoundError:
                continue  # deleted by another process just now
            done += 1
            progress(done)
    return damaged


def shard_count(cache: Path) -> int:
    """Shards of all recipes."""
    return sum(len(shard_names(folder)) for folder in recipe_folders(cache))


def free_bytes(cache: Path) -> int:
    """Free space where the cache is, or would be."""
    existing = cache.absolute()
    while not existing.exists():
        existing = existing.parent
    return shutil.disk_usage(existing).free
