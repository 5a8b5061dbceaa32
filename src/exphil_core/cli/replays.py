"""`exphil replays demo` and `show`; the other commands have modules of their own."""

from __future__ import annotations

from pathlib import Path

import click

from exphil_core.cli.output import print_json, print_table
from exphil_core.cli.replays_cache import cache
from exphil_core.errors import ExphilError, ReplayError


@click.group()
def replays() -> None:
    """Replay files: make demo games, look into one, cache them for training."""


replays.add_command(cache)


@replays.command("demo")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--games", default=24, show_default=True, help="How many games.")
@click.option("--minutes", default=2.0, show_default=True, help="Longest duration of a game, in minutes.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same bytes.")
@click.option(
    "--characters",
    default="fox,falco,marth,mewtwo",
    show_default=True,
    metavar="NAME,NAME…",
    help="Who plays; see `exphil characters list`.",
)
@click.option("--stages", metavar="NAME,NAME…", help="Where; all six tournament stages if not given.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "rich", "plain", "none"]),
    default="auto",
    show_default=True,
    help="How to show progress.",
)
def demo(
    folder: Path, games: int, minutes: float, seed: int, characters: str, stages: str | None, progress: str
) -> None:
    """Make replay files of a small platform fighter (not Melee) in the folder DIR.

    \b
    Example:
      exphil replays demo my-demo --games 10 --minutes 1
    """
    from exphil_core.cli.progress import make_reporter
    from exphil_core.sandbox.make import ALL_STAGES, make_replays

    reporter = make_reporter(progress)
    reporter.start("making demo games", games, "games")
    try:
        made = make_replays(
            folder,
            games=games,
            minutes=minutes,
            seed=seed,
            characters=_words(characters),
            stages=_words(stages) if stages else ALL_STAGES,
            progress=lambda done, _: reporter.advance(done),
        )
    finally:
        reporter.finish()
    click.echo(f"made {len(made)} games in {folder}")
    click.echo(f"train on them: exphil train --replays {folder}")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


@replays.command("show")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(file: Path, as_json: bool) -> None:
    """What stands in one replay: version, stage, players, length, and whether it can be trained on."""
    from exphil_core.melee import FRAMES_PER_SECOND
    from exphil_core.replays.slp import read_game

    if not file.is_file():
        raise ExphilError(f'there is no file "{file}"')
    try:
        game = read_game(file, any_player=True)
    except ReplayError as error:
        raise ExphilError(f"{file}: {error}") from None
    info = game.info
    facts = {
        "file": str(file),
        "sha256": info.sha256,
        "version": ".".join(map(str, info.version)),
        "stage": info.stage.title,
        "frames": len(game),
        "seconds": round(len(game) / FRAMES_PER_SECOND, 1),
        "rolled_back_frames": info.rolled_back,
        "players": [
            {
                "port": player.port + 1,
                "character": player.character.title,
                "human": player.human,
                "tag": player.tag,
                "code": player.code,
            }
            for player in info.players
        ],
    }
    if as_json:
        print_json(facts)
        return
    print_table(("fact", "value"), [(k, v) for k, v in facts.items() if k != "players"])
    for player in info.players:
        kind = "human" if player.human else "CPU"
        click.echo(
            f"port {player.port + 1}: {player.character.title}, {kind} {player.tag} {player.code}".rstrip()
        )
