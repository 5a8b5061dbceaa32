"""`exphil replays scan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from exphil_core.cli.main import manager_of
from exphil_core.cli.output import print_json, print_table
from exphil_core.cli.progress import make_reporter
from exphil_core.cli.settings import given_flags, setting_flags
from exphil_core.config.resolve import resolve
from exphil_core.config.schema import FILTERS, TrainConfig
from exphil_core.melee.characters import BY_NAME as CHARACTERS
from exphil_core.melee.stages import BY_NAME as STAGES
from exphil_core.wording import counted, one_line

if TYPE_CHECKING:
    from exphil_core.replays.facts import FileFacts
    from exphil_core.replays.filters import Selection
    from exphil_core.replays.sources import ReplayFile
    from exphil_core.replays.summary import Summary, Tally


@click.command("scan")
@click.argument("paths", metavar="PATH…", nargs=-1, required=True)
@click.option(
    "--workers", type=click.IntRange(1, 1024), metavar="N", help="Processes that read.  [one a processor]"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all that is known of each file.")
@click.option(
    "--parquet",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the same as Parquet.",
)
@click.option("--anonymous", is_flag=True, help="Leave players' tags and codes out of JSON and Parquet.")
@click.option(
    "--files", "list_files", is_flag=True, help="Name every file that is left out, with its reason."
)
@click.option(
    "--progress",
    type=click.Choice(["auto", "rich", "plain", "none"]),
    default="auto",
    show_default=True,
    help="How to show progress.",
)
@setting_flags(TrainConfig, (*FILTERS, "seed", "cache_dir"))
@click.pass_context
def scan(
    ctx: click.Context,
    /,
    paths: tuple[str, ...],
    workers: int | None,
    as_json: bool,
    parquet: Path | None,
    anonymous: bool,
    list_files: bool,
    progress: str,
    **values: Any,
) -> None:
    """What is in replay files, and what of it can be trained on.

    \b
    Example:
      exphil replays scan ~/Slippi --character fox --since 2024-01-01

    Each file is read once; a second scan opens only what has changed, and one that was interrupted goes on.
    """
    flags = {**given_flags(TrainConfig, values), "replays": paths}
    config = resolve(manager_of(ctx), flags=flags, trains=False).config
    for idle, why in (
        (
            anonymous and not as_json and parquet is None,
            "--anonymous does nothing without --json or --parquet",
        ),
        (list_files and as_json, "--files does nothing with --json, which has every file"),
        ("seed" in flags and config.max_files is None, "--seed does nothing without --max-files"),
    ):
        if idle:
            click.echo(f"warning: {why}", err=True)
    files, facts, selection = _looked_at(config, workers, progress)

    from exphil_core.replays.summary import records, summarise, write_parquet

    summary = summarise(len(files), selection, config.drop_idle)
    if parquet is not None or as_json:
        rows = records(files, facts, selection, anonymous)
    if parquet is not None:
        write_parquet(parquet, rows, anonymous)
    if as_json:
        print_json({**_as_json(summary), "replays": rows})
        return
    _print(summary)
    for item in selection.left_out if list_files else ():
        click.echo(f"left out {one_line(str(item.file))}: {item.reason}")
    if parquet is not None:
        click.echo(f"wrote {parquet}")


def _looked_at(
    config: TrainConfig, workers: int | None, progress: str
) -> tuple[list[ReplayFile], list[FileFacts], Selection]:
    from exphil_core.replays.cache_folder import cache_folder
    from exphil_core.replays.filters import filter_of, select
    from exphil_core.replays.index import ReplayIndex
    from exphil_core.replays.intake import look_at
    from exphil_core.replays.sources import find_replays

    wanted = filter_of(config)
    reporter = make_reporter(progress)
    files = find_replays(config.replays)
    reporter.start("scanning", len(files), "files")
    try:
        with ReplayIndex(cache_folder(config.cache_dir), reporter.line) as index:
            facts = look_at(files, index, workers=workers, progress=lambda done, _: reporter.advance(done))
    finally:
        reporter.finish()
    return files, facts, select(files, facts, wanted)


def _as_json(summary: Summary) -> dict[str, Any]:
    return {**attrs.asdict(summary), "reasons": dict(summary.reasons.most_common())}


def _print(summary: Summary) -> None:
    def rows(tallies: dict[str, Tally], titles: dict[str, Any]) -> list[tuple[object, ...]]:
        ordered = sorted(tallies.items(), key=lambda item: (-item[1].examples, item[0]))
        return [(titles[name].title, t.games, t.sides, f"{t.examples:,}") for name, t in ordered]

    total = summary.total
    files, games, frames = (summary.files, "file"), (total.games, "game"), (summary.frames, "frame")
    examples, sides = (total.examples, "example"), (total.sides, "side")
    click.echo(
        f"{counted(*files)}: {counted(*games)} to train on, {counted(*frames)}, "
        f"{counted(*examples)} on {counted(*sides)}; {summary.reasons.total():,} left out"
    )
    for header, tallies, titles in (
        ("character", summary.characters, CHARACTERS),
        ("stage", summary.stages, STAGES),
    ):
        if tallies:
            click.echo()
            print_table((header, "games", "sides", "examples"), rows(tallies, titles))
    if summary.reasons:
        click.echo()
        print_table(("left out because", "files"), summary.reasons.most_common())
