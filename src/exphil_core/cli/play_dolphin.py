"""`exphil play MODEL --dolphin PATH`."""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exphil_core.cli.main import INTERRUPTED, manager_of
from exphil_core.errors import UsageError

if TYPE_CHECKING:
    from exphil_core.serving.dolphin.session import Outcome
    from exphil_core.serving.dolphin.settings import DolphinSettings
    from exphil_core.serving.runner import Runner

_PORT = click.IntRange(1, 4)
_FILE = click.Path(path_type=Path)
# Share of frames late or skipped that is worth a word.
_TOO_SLOW = 0.02

OPTIONS: tuple[click.Option, ...] = (
    click.Option(["--iso"], type=_FILE, metavar="PATH", help="The disc image of Melee, NTSC 1.02.  [required]"),
    click.Option(
        ["--port"], type=_PORT, default=1, show_default=True, metavar="1-4", help="The model's controller port."
    ),
    click.Option(["--opponent-port"], type=_PORT, metavar="1-4", help="A human's port, or the CPU player's.  [2]"),
    click.Option(["--cpu"], type=click.IntRange(1, 9), metavar="1-9", help="Play a CPU player of this level."),
    click.Option(
        ["--connect-code"],
        metavar="ABC#123",
        help="Play whoever has this code, by direct connection. There is no other netplay.",
    ),
    click.Option(
        ["--user-json"],
        type=_FILE,
        metavar="FILE",
        help="The Slippi account for --connect-code.  [the Slippi Launcher's]",
    ),
    click.Option(
        ["--online-delay"],
        type=click.IntRange(0, 15),
        default=2,
        show_default=True,
        metavar="FRAMES",
        help="Slippi's delay with --connect-code; part of the delay that the model was trained with.",
    ),
    click.Option(
        ["--dolphin-user"],
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Copy this Dolphin user folder's settings (the human's controller, graphics).  [fresh ones]",
    ),
    click.Option(
        ["--session"],
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Where replays and the log go.  [sessions/<date and time>]",
    ),
    click.Option(
        ["--stall-ms"],
        type=click.IntRange(min=20),
        default=250,
        show_default=True,
        metavar="MS",
        help="Let go of everything after so long without a frame.",
    ),
    click.Option(
        ["--blocking/--no-blocking"],
        default=False,
        show_default=True,
        help="Let Dolphin wait for the model in every frame, however slow it is.",
    ),
    click.Option(["--fullscreen"], is_flag=True, help="Fill the screen.  [a window]"),
    click.Option(["--no-audio"], is_flag=True, help="Without sound.  [with sound]"),
)  # fmt: skip


def play_dolphin(ctx: click.Context, model: str, flags: dict[str, Any]) -> None:
    """Play in Dolphin. `flags` are those of `OPTIONS` and of `play_options.SHARED`, `dolphin` and `checkpoints`."""
    from exphil_core.serving.dolphin.install import require_libmelee

    _check_opponent(flags)
    require_libmelee()
    from exphil_core.checkpoints.find_model import find_policy
    from exphil_core.checkpoints.store import read_description
    from exphil_core.serving.dolphin.log import SessionLog
    from exphil_core.serving.dolphin.session import play_session
    from exphil_core.training.interrupts import stop_on_signals

    policy = find_policy(model, flags["checkpoints"])
    # Whatever can be refused is refused before the model is loaded.
    settings = _settings(flags, read_description(policy).get("character"))
    seed = secrets.randbelow(2**31) if flags["seed"] is None else flags["seed"]
    with stop_on_signals() as stop:
        runner = _load(ctx, policy, flags["temperature"], seed)
        _warn(runner, settings, flags["temperature"])
        log = SessionLog(settings.session)
        about = {"seed": seed, "temperature": flags["temperature"], "delay": runner.delay}
        log.write("session", model=str(policy), **about, **_described(settings))
        click.echo(f"{policy}: {settings.character.name} at port {settings.port} against {settings.opponent}")
        outcome = play_session(settings, runner, log, stop, click.echo)
        _report(outcome, settings)
    if outcome.ended == "interrupted":
        ctx.exit(INTERRUPTED)


def _check_opponent(flags: dict[str, Any]) -> None:
    """Raise UsageError unless the flags say once against whom."""
    if flags["iso"] is None:
        raise UsageError("--dolphin needs --iso PATH: the disc image of Melee, NTSC 1.02")
    online = flags["connect_code"] is not None
    if online and (flags["cpu"] is not None or flags["opponent_port"] is not None):
        raise UsageError("--connect-code plays over the network: leave --cpu and --opponent-port out")
    if not online and flags["cpu"] is None and flags["opponent_port"] is None:
        raise UsageError(
            "against whom? --cpu 9 (a CPU player), --opponent-port 2 (a human), or --connect-code ABC#123 (netplay)"
        )
    if flags["cpu"] is None and flags["opponent_character"] is not None:
        raise UsageError("--opponent-character: only a CPU player's can be chosen, with --cpu")
    if flags["user_json"] is not None and not online:
        raise UsageError("--user-json: goes with --connect-code")


def _settings(flags: dict[str, Any], trained_on: str | None) -> DolphinSettings:
    """What is to be played. Raises ExphilError for a path or a name that isn't right."""
    from exphil_core.serving.dolphin.install import find_dolphin, find_user_json, pipes_folder
    from exphil_core.serving.dolphin.iso import require_melee
    from exphil_core.serving.dolphin.settings import (
        DolphinSettings,
        parse_character,
        parse_connect_code,
        parse_stage,
    )

    name = flags["character"] or trained_on
    if name is None:
        raise UsageError("--character NAME is needed: the model was trained on all characters")
    code = None if flags["connect_code"] is None else parse_connect_code(flags["connect_code"])
    port, opponent_port = flags["port"], flags["opponent_port"]
    if opponent_port is None and code is None:
        opponent_port = 2 if port != 2 else 1
    character = parse_character(name, "--character")
    opponent = parse_character(flags["opponent_character"] or "fox", "--opponent-character")
    stage = parse_stage(flags["stage"] or "battlefield")
    session = flags["session"] or Path("sessions") / datetime.now().strftime("%Y%m%d_%H%M%S")
    iso, user = flags["iso"].expanduser(), flags["dolphin_user"]
    if user is not None and not user.expanduser().is_dir():
        raise UsageError(f"--dolphin-user {user}: no such folder")
    require_melee(iso)
    pipes_folder()
    return DolphinSettings(
        dolphin=find_dolphin(flags["dolphin"]).executable,
        iso=iso.resolve(),
        character=character,
        port=port,
        opponent_port=opponent_port,
        cpu=flags["cpu"],
        opponent_character=opponent,
        stage=stage,
        chooses_stage=flags["cpu"] is not None or flags["stage"] is not None,
        connect_code=code,
        user_json=None if code is None else find_user_json(flags["user_json"]),
        online_delay=flags["online_delay"],
        home=None if user is None else user.expanduser().resolve(),
        session=session.expanduser().resolve(),
        games=flags["games"],
        stall_ms=flags["stall_ms"],
        blocking=flags["blocking"],
        fullscreen=flags["fullscreen"],
        audio=not flags["no_audio"],
    )


def _load(ctx: click.Context, policy: Path, temperature: float, seed: int) -> Runner:
    import torch

    from exphil_core.serving.runner import Runner

    torch.set_num_threads(1)  # one game needs no more, and the other cores are Dolphin's
    return Runner.load(policy, manager_of(ctx), temperature=temperature, seed=seed)


def _warn(runner: Runner, settings: DolphinSettings, temperature: float) -> None:
    if temperature == 0:
        _note("--temperature 0 always presses the likeliest: models get stuck that way; 0.3 to 1 doesn't")
    if runner.character is not None and runner.character != settings.character.name:
        _note(f"the model was trained on {runner.character}, and is to play {settings.character.name}")
    if settings.connect_code is not None and settings.online_delay > runner.delay:
        _note(
            f"the model was trained with a delay of {runner.delay} frames, but Slippi delays it by "
            f"{settings.online_delay} (--online-delay)"
        )


def _note(text: str) -> None:
    click.echo(f"exphil: {text}", err=True)


def _described(settings: DolphinSettings) -> dict[str, Any]:
    import attrs

    named = {"character": settings.character.name, "opponent_character": settings.opponent_character.name}
    stage = "random" if settings.stage is None else settings.stage.name
    return {**attrs.asdict(settings, recurse=False), **named, "stage": stage}


def _report(outcome: Outcome, settings: DolphinSettings) -> None:
    games = f"{outcome.games} game" + ("" if outcome.games == 1 else "s")
    how = {"games": "", "interrupted": ", interrupted", "closed": ", until Dolphin was closed"}[outcome.ended]
    click.echo(f"played {games}{how}; {outcome.latencies.text()}")
    summary = outcome.latencies.summary()
    if summary["skipped"] + summary["late"] > _TOO_SLOW * (summary["frames"] + summary["skipped"]):
        _note(
            "this machine was too slow for the model: close other programs, take a smaller network, or --blocking"
        )
    click.echo(f"replays and log: {settings.session}")
