"""`exphil replays cache`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from exphil_core.cli.main import manager_of
from exphil_core.cli.output import print_json
from exphil_core.cli.progress import make_reporter
from exphil_core.cli.settings import given_flags, setting_flags
from exphil_core.config.resolve import resolve
from exphil_core.config.schema import DATA, TrainConfig
from exphil_core.errors import ExphilError, UsageError
from exphil_core.options import info_of
from exphil_core.wording import counted

if TYPE_CHECKING:
    from exphil_core.training.reporter import Reporter

# Settings that decide what is read; those that only decide what becomes of it in training are not for here.
ELSEWHERE = ("replays", "drop_idle", "validation_fraction", "delay")
WANTED = tuple(
    field.name
    for field in attrs.fields(TrainConfig)
    if (info := info_of(field)) is not None
    and (field.name == "seed" or (info.group == DATA and field.name not in ELSEWHERE))
)


@click.command("cache")
@click.argument("paths", metavar="PATH…", nargs=-1)
@click.option(
    "--workers", type=click.IntRange(1, 1024), metavar="N", help="Processes that read.  [one a processor]"
)
@click.option(
    "--verify", is_flag=True, help="Compare all of the cache with its sha256; damaged shards are deleted."
)
@click.option("--clear", is_flag=True, help="Delete all of the cache's rows and columns.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "rich", "plain", "none"]),
    default="auto",
    show_default=True,
    help="How to show progress.",
)
@setting_flags(TrainConfig, WANTED)
@click.pass_context
def cache(
    ctx: click.Context,
    /,
    paths: tuple[str, ...],
    workers: int | None,
    verify: bool,
    clear: bool,
    as_json: bool,
    progress: str,
    **values: Any,
) -> None:
    """Read replays into the cache that training runs on.

    \b
    Example:
      exphil replays cache ~/Slippi --workers 4

    `exphil train` does the same by itself on its first run. Without PATH: what is there.
    """
    from exphil_core.replays.cache_folder import cache_folder
    from exphil_core.replays.cache_upkeep import cache_size, free_bytes
    from exphil_core.replays.cache_upkeep import clear as clear_cache

    if clear and (paths or verify):
        raise UsageError("--clear deletes the cache: it goes with neither PATH nor --verify")
    flags = given_flags(TrainConfig, values)
    if not paths and (workers is not None or flags.keys() - {"cache_dir"}):
        raise UsageError("filters and --workers say what of PATH… to read: give the replays too")
    given = {**flags, "replays": paths} if paths else flags
    config = resolve(manager_of(ctx), flags=given, trains=False).config
    folder, reporter = cache_folder(config.cache_dir), make_reporter(progress)
    result: dict[str, Any] = {"folder": str(folder)}
    if clear:
        result["deleted_bytes"] = clear_cache(folder)
        if not as_json:
            click.echo(f"deleted {result['deleted_bytes'] / 1e6:,.1f} MB")
    if paths:
        result |= _filled(config, reporter, workers, as_json)
    if verify:
        result["damaged"] = _verified(folder, reporter)
        if not as_json and not result["damaged"]:
            click.echo("verified: every shard is what was written")
    result |= {"bytes": cache_size(folder), "free_bytes": free_bytes(folder)}
    if as_json:
        print_json(result)
    else:
        click.echo(f"{folder}: {result['bytes'] / 1e6:,.1f} MB ({result['free_bytes'] / 1e9:,.1f} GB free)")
    if result.get("damaged"):
        raise ExphilError(
            f"damaged and deleted: {'; '.join(result['damaged'])}; the next run reads their games again"
        )


def _verified(folder: Path, reporter: Reporter) -> list[str]:
    from exphil_core.replays.cache_upkeep import shard_count
    from exphil_core.replays.cache_upkeep import verify as verify_cache

    reporter.start("verifying", shard_count(folder), "shards")
    try:
        return verify_cache(folder, reporter.advance)
    finally:
        reporter.finish()


def _filled(config: TrainConfig, reporter: Reporter, workers: int | None, as_json: bool) -> dict[str, Any]:
    from exphil_core.replays.sources import find_replays
    from exphil_core.training.games import select_games, why_incomplete

    selection, rows = select_games(find_replays(config.replays), config, reporter, workers)
    missing = int((rows.find([item.facts.sha256 for item in selection.chosen]) < 0).sum())
    if missing:
        raise ExphilError(f"{why_incomplete(rows.folder.parent)}: {counted(missing, 'game')} missing from it")
    frames = sum(item.facts.frames for item in selection.chosen)
    reasons = dict(selection.reasons().most_common())
    if not as_json:
        left = ", ".join(f"{count} {kind}" for kind, count in reasons.items())
        click.echo(
            f"cached: {counted(len(selection.chosen), 'game')}, {counted(frames, 'frame')}"
            + (f"; left out {len(selection.left_out):,}: {left}" if left else "")
        )
    return {"games": len(selection.chosen), "frames": frames, "left_out": reasons}
