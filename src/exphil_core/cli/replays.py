"""`exphil replays demo` and `show`; the other commands have modules of their own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exphil_core.cli.output import print_json, print_table
from exphil_core.cli.replays_cache import cache
from exphil_core.cli.replays_scan import scan
from exphil_core.errors import ExphilError, ReplayError, did_you_mean
from exphil_core.melee import FRAMES_PER_SECOND
from exphil_core.melee.characters import BY_NAME as CHARACTERS
from exphil_core.melee.stages import BY_NAME as STAGES
from exphil_core.wording import counted, one_line

if TYPE_CHECKING:
    from exphil_core.replays.facts import PlayerFacts
    from exphil_core.replays.sources import ReplayFile


@click.group()
def replays() -> None:
    """Replay files: see what is in them, make demo games, cache them for training."""


replays.add_command(scan)
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
    click.echo(f"made {counted(len(made), 'game')} in {folder}")
    click.echo(f"train on them: exphil train --replays {folder}")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


@replays.command("show")
@click.argument("file", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(file: str, as_json: bool) -> None:
    """What stands in one replay, and whether it can be trained on.

    FILE may be a member of an archive, as in `set.7z!games/a.slp`.
    """
    from exphil_core.replays.archives import read_one
    from exphil_core.replays.inspecting import inspect

    found = _one_replay(file)
    try:
        facts = inspect(read_one(found), str(found)).facts
    except ReplayError as error:
        raise ExphilError(f"{one_line(file)}: {error}") from None
    shown: dict[str, Any] = {
        "file": file,
        "sha256": facts.sha256,
        "version": ".".join(map(str, facts.version or ())),
        "date": facts.date,
        "stage": STAGES[facts.stage].title if facts.stage else "",
        "frames": facts.frames,
        "seconds": round(facts.frames / FRAMES_PER_SECOND, 1),
        "rolled_back_frames": facts.rollback_rows,
        "item_rows": facts.item_rows,
        "end": facts.end,
        "can be trained on": "yes" if facts.reason is None else f"no: {facts.reason}",
        "players": [_player(player) for player in facts.players],
    }
    if as_json:
        shown["reason"] = facts.reason
        del shown["can be trained on"]
        print_json(shown)
        return
    print_table(("fact", "value"), [(key, value) for key, value in shown.items() if key != "players"])
    for player in shown["players"]:
        kind = "human" if player["human"] else "CPU"
        result = {True: ", won", False: ", lost"}.get(player["won"], "")
        named = f" {player['tag']} {player['code']}".rstrip()
        click.echo(f"port {player['port']}: {player['character']}, {kind}{result}{named}")


def _player(player: PlayerFacts) -> dict[str, Any]:
    played = [f"{CHARACTERS[name].title} {share:.0%}" for name, share in player.shares.items()]
    chosen = CHARACTERS[player.character].title if player.character else "unknown"
    return {
        "port": player.port + 1,
        "character": ", ".join(played) if len(played) > 1 else chosen,
        "human": player.human,
        "tag": player.tag,
        "code": player.code,
        "won": player.won,
    }


def _one_replay(name: str) -> ReplayFile:
    """The file or the member of an archive that is called so. Raises ExphilError if there is none."""
    from exphil_core.replays.archives import members
    from exphil_core.replays.sources import ReplayFile, is_archive

    if Path(name).is_dir():
        raise ExphilError(f"{name} is a folder: exphil replays scan {shlex.quote(name)}")
    if Path(name).is_file():
        file = ReplayFile.on_disk(name)
        if not is_archive(file.path):
            return file
        first = next((each.member for each in members(file)), "game.slp")
        raise ExphilError(
            f"{name} is an archive: name a replay in it, as in {shlex.quote(f'{name}!{first}')}"
        )
    archive, mark, member = name.rpartition("!")
    if not mark or not Path(archive).is_file():
        raise ExphilError(f'there is no file "{name}"')
    inside = {file.member: file for file in members(ReplayFile.on_disk(archive))}
    if member not in inside:
        raise ExphilError(f'there is no replay "{member}" in {archive}{did_you_mean(member, inside)}')
    return inside[member]
