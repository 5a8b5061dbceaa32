"""Columns of character features in the cache, beside the rows that they are made from: runs with other features share
the rows, and the columns are made once."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.features.character import ActiveFeature, game_features
from exphil_core.replays.cache import GameCache, recipe_key
from exphil_core.replays.rows import unpack
from exphil_core.replays.shards import SHARD_BYTES, ShardWriter


def feature_folder(rows: Path, feature: ActiveFeature) -> Path:
    """Where the columns of `feature` for games in the folder `rows` are kept."""
    spec, origin = feature.entry.spec, feature.entry.origin
    recipe = {
        "rows": rows.name,
        "distribution": origin.distribution,
        "version": origin.version,
        "code": code_digest(spec.factory),
        "feature": spec.name,
        "columns": [attrs.asdict(column) for column in spec.columns],
    }
    return rows.with_name(f"feature-{spec.name}-{recipe_key(recipe)}")


def code_digest(factory: str) -> str:
    """A hash of the Python files of the package that `"module:attribute"` is in: whoever works on a feature changes
    its code long before its version."""
    module = importlib.util.find_spec(factory.partition(":")[0].partition(".")[0])
    if module is None or module.origin is None:
        return ""
    origin = Path(module.origin)
    files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def make_columns(
    rows: GameCache,
    numbers: npt.NDArray[np.int64],
    feature: ActiveFeature,
    progress: Callable[[int], None] = lambda _: None,
) -> GameCache:
    """The cache of `feature`'s columns, with those of the games `numbers` of `rows` added that it lacked."""
    folder = feature_folder(rows.folder, feature)
    columns = GameCache(folder)
    missing = numbers[columns.find(rows.hashes[numbers]) < 0]
    if not len(missing):
        return columns
    writer, done, held = ShardWriter(folder), 0, 0
    for _, stored in rows.games(missing):
        array = game_features(unpack(stored), [feature])
        writer.add({"sha256": stored.info.sha256}, {feature.block: array})
        done, held = done + 1, held + array.nbytes
        if held > SHARD_BYTES // 8:
            writer.flush()
            held = 0
        progress(done)
    writer.flush()
    return GameCache(folder)
