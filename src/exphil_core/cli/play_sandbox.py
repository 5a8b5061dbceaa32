"""`exphil play MODEL --sandbox`."""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from exphil_core.cli.main import INTERRUPTED, manager_of
from exphil_core.cli.output import print_json, print_table
from exphil_core.cli.play_options import given_names
from exphil_core.cli.progress import MODES, make_reporter
from exphil_core.errors import ExphilError, UsageError
from exphil_core.wording import counted

if TYPE_CHECKING:
    from exphil_core.playing.games import Games, Keep
    from exphil_core.playing.matches import Match
    from exphil_core.playing.outcome import Estimate, GameResult, Summary
    from exphil_core.playing.view import Player
    from exphil_core.training.reporter import Reporter

GAMES, BATCH = 100, 128
# Frames of all games between two looks at the progress.
PROGRESS_EVERY = 30

OPTIONS: tuple[click.Option, ...] = (
    click.Option(
        ["--opponent"],
        default="scripted",
        show_default=True,
        metavar="WHO",
        help="scripted, random, repeat, or another MODEL. MODEL may be one of the three, too.",
    ),
    click.Option(
        ["--minutes"],
        type=click.FloatRange(min=0.0, max=60.0, min_open=True),
        default=8.0,
        show_default=True,
        metavar="MINUTES",
        help="Where a game's time runs out, if nobody has lost four stocks by then.",
    ),
    click.Option(
        ["--batch"],
        type=click.IntRange(min=1),
        metavar="N",
        help=f"Games that are played at the same time.  [all, up to {BATCH}]",
    ),
    click.Option(
        ["--save-replays"],
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Keep each game as a .slp file there.  [none are kept]",
    ),
    click.Option(
        ["--watch"], is_flag=True, help="Show one game after the other in this terminal, at 60 frames a second."
    ),
    click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."),
    click.Option(
        ["--progress"],
        type=click.Choice(MODES),
        default="auto",
        show_default=True,
        help="How to show progress: a bar, lines, or nothing.",
    ),
)  # fmt: skip


def play_sandbox(ctx: click.Context, model: str, flags: dict[str, Any]) -> None:
    """Play in the sandbox. `flags` are those of `OPTIONS` and of `play_options.SHARED`, and `checkpoints`."""
    watched = flags["watch"]
    if watched:
        _check_watchable(flags)
    games = flags["games"] or (1 if watched else GAMES)
    seed = secrets.randbelow(2**31) if flags["seed"] is None else flags["seed"]
    batch = 1 if watched else min(flags["batch"] or BATCH, games)
    players = _players(ctx, model, flags, games, seed)
    matches = _matches(players, flags, games, seed)
    results, interrupted = _play(matches, players, batch, flags)
    if results:
        _report(results, players, flags, seed)
    if interrupted:
        click.echo(f"exphil: interrupted after {len(results)} of {games} games", err=True)
        ctx.exit(INTERRUPTED)


def _check_watchable(flags: dict[str, Any]) -> None:
    if flags["batch"] not in (None, 1):
        raise UsageError("--watch shows one game at a time: leave --batch out")
    if flags["as_json"]:
        raise UsageError("--watch and --json both want the terminal: give one")
    if not sys.stdout.isatty():
        raise ExphilError("--watch draws in a terminal; for a file, keep the games with --save-replays DIR")


def _players(
    ctx: click.Context, model: str, flags: dict[str, Any], games: int, seed: int
) -> tuple[Player, Player]:
    from exphil_core.playing.players import BUILT_IN, Casting

    if {model, flags["opponent"]} <= set(BUILT_IN) and "temperature" in given_names(ctx):
        click.echo("warning: --temperature does nothing where no model plays", err=True)
    casting = Casting(
        checkpoints=flags["checkpoints"],
        manager=manager_of(ctx),
        games=games,
        temperature=flags["temperature"],
        seed=seed,
    )
    return casting.pair(model, flags["opponent"])


def _matches(players: tuple[Player, Player], flags: dict[str, Any], games: int, seed: int) -> list[Match]:
    """Characters are those asked for, or those that models were trained on, or the demo games'."""
    from exphil_core.melee.stages import STAGES
    from exphil_core.playing.matches import plan_matches
    from exphil_core.sandbox.make import DEFAULT_CHARACTERS, find_characters, find_stages

    casts = []
    for player, flag in zip(players, ("character", "opponent_character"), strict=True):
        if flags[flag] is None and player.character is not None:
            casts.append([player.character])
        else:
            casts.append(list(find_characters([flags[flag]] if flags[flag] else DEFAULT_CHARACTERS)))
    stages = STAGES if flags["stage"] is None else find_stages([flags["stage"]])
    return plan_matches(
        seed=seed, games=games, minutes=flags["minutes"], own=casts[0], others=casts[1], stages=stages
    )


def _play(
    matches: list[Match], players: tuple[Player, Player], batch: int, flags: dict[str, Any]
) -> tuple[list[GameResult], bool]:
    """The results of the games that ended, in the order of their numbers, and whether Ctrl-C cut it short."""
    from exphil_core.playing.games import Games

    watch = None
    if flags["watch"]:
        from exphil_core.cli.play_watch import LiveScreen

        watch = LiveScreen([player.name for player in players])
    games = Games(matches, *players, batch=batch, keep=_keeper(flags["save_replays"]), watch=watch)
    results: list[GameResult] = []
    interrupted = False
    try:
        if watch is not None:
            with watch:
                results.extend(result for result in games if result is not None)
        else:
            _follow(games, len(matches), make_reporter(flags["progress"]), results)
    except KeyboardInterrupt:
        interrupted = True
    return sorted(results, key=lambda result: result.number), interrupted


def _keeper(folder: Path | None) -> Keep | None:
    """Writes replays into `folder`, if there is one."""
    if folder is None:
        return None
    from exphil_core.checkpoints.atomic import write_bytes

    place = folder.expanduser()
    place.mkdir(parents=True, exist_ok=True)
    return lambda match, replay: write_bytes(place / match.file_name, replay)


def _follow(games: Games, count: int, reporter: Reporter, results: list[GameResult]) -> None:
    """Play all, with progress."""
    reporter.start("playing", count, "games")
    began = time.monotonic()
    try:
        for step, result in enumerate(games):
            if result is not None:
                results.append(result)
            elif step % PROGRESS_EVERY == 0:
                rate = games.frames / max(time.monotonic() - began, 1e-9)
                reporter.advance(int(games.progress()), rate=rate, rate_unit="frames/s")
    finally:
        reporter.finish()


def _report(
    results: list[GameResult], players: tuple[Player, Player], flags: dict[str, Any], seed: int
) -> None:
    from exphil_core.playing.outcome import summary

    together = summary(results)
    own, other = (player.name for player in players)
    if flags["as_json"]:
        settings = {name: flags[name] for name in ("temperature", "minutes", "stage")}
        print_json(
            {
                "model": own,
                "opponent": other,
                "seed": seed,
                **settings,
                "summary": attrs.asdict(together),
                "results": [attrs.asdict(result) for result in results],
            }
        )
        return
    click.echo(f"{own} against {other}, temperature {flags['temperature']:g}, seed {seed}")
    print_table(("", own, other, "difference"), _rows(together))
    click.echo(_verdict(together))
    if flags["save_replays"] is not None:
        click.echo(f"{counted(len(results), 'replay')} in {flags['save_replays']}")


def _rows(together: Summary) -> list[tuple[str, str, str, str]]:
    """Means a game with their intervals."""
    return [
        (
            "stocks left", _figure(together.stocks), _figure(together.opponent_stocks),
            _figure(together.stocks_ahead, sign="+"),
        ),
        (
            "damage dealt", _figure(together.damage_dealt, 0), _figure(together.damage_taken, 0),
            _figure(together.damage_ahead, 0, "+"),
        ),
    ]  # fmt: skip


def _figure(estimate: Estimate, digits: int = 2, sign: str = "") -> str:
    value, low, high = (f"{x:{sign}.{digits}f}" for x in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


def _verdict(together: Summary) -> str:
    rate, games = together.win_rate, together.games
    return (
        f"{games} game{'s' if games > 1 else ''} of {together.minutes:.1f} minutes: won {together.won}, "
        f"lost {together.lost}, drawn {together.drawn}; wins {rate.value:.0%} ({rate.low:.0%} to {rate.high:.0%}; "
        "all intervals 95%)"
    )
