"""The `exphil` command: loads plugins, finds the command asked for, turns errors into exit statuses.

Command modules are imported only when they run, so that `exphil --help` stays below 0.3 s.
"""

from __future__ import annotations

import difflib
import importlib
import io
import os
import sys
from itertools import pairwise, takewhile
from typing import Any, NoReturn

import click

from exphil_core import __version__
from exphil_core.errors import ExphilError
from exphil_core.plugin_manager import PluginManager, load_plugins
from exphil_core.training.launch import follows

# command -> (module:attribute, the line that `exphil --help` shows)
COMMANDS: dict[str, tuple[str, str]] = {
    "train": ("exphil_core.cli.train:train", "Train a model on replays."),
    "presets": ("exphil_core.cli.presets:presets", "Named settings: list, show."),
    "backbones": ("exphil_core.cli.listings:backbones", "Networks to choose from."),
    "characters": ("exphil_core.cli.listings:characters", "Melee's characters and their features."),
    "config": ("exphil_core.cli.config:config", "Settings of a run: check, show, diff."),
    "plugins": ("exphil_core.cli.plugins:plugins", "What is installed, and whether it works."),
    "registry": (
        "exphil_core.cli.registry:registry",
        "Trained models: list, rank, tag, compare, verify, import.",
    ),
    "play": ("exphil_core.cli.play:play", "Let a model play, in Dolphin or in the sandbox."),
    "eval": ("exphil_core.cli.eval:evaluate", "Judge models on replays, alone or against each other."),
    "export": ("exphil_core.cli.export:export", "Give a model to others: a UMI bot, an ONNX graph."),
    "plot": ("exphil_core.cli.plot:plot", "Loss curves of runs, in the terminal or as a picture."),
    "prune": ("exphil_core.cli.prune:prune", "Delete or archive models by rules."),
    "replays": (
        "exphil_core.cli.replays:replays",
        "Replay files: make demo games, look into one, cache them for training.",
    ),
    "doctor": ("exphil_core.cli.doctor:doctor", "What this machine has, and what is wrong with it."),
}

INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group whose commands are named, not imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        manager_of(ctx)  # says what is wrong with the plugins, here as everywhere
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            meant = f' Did you mean "{near[0]}"?' if near else " See `exphil --help`."
            raise click.UsageError(f'there is no command "{args[0]}".{meant}', ctx)
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            _check_values(click.Context(command, parent=ctx, info_name=name), rest)
        return name, command, rest


def _check_values(ctx: click.Context, args: list[str]) -> None:
    """Refuse an option without its value: click would take the option after it for one."""
    if isinstance(ctx.command, click.Group):
        command = ctx.command.get_command(ctx, args[0]) if args else None
        if command is not None:
            _check_values(click.Context(command, parent=ctx, info_name=args[0]), args[1:])
        return
    options = {
        name: option
        for option in ctx.command.get_params(ctx)
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    }
    for given, value in pairwise(takewhile(lambda word: word != "--", args)):
        option = options.get(given)
        if option is not None and not option.is_flag and not option.count and value in options:
            raise click.UsageError(f"Option '{given}' requires an argument: {value} is another option.", ctx)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="exphil")
@click.option(
    "--no-plugin",
    multiple=True,
    is_eager=True,  # before --help, which loads plugins too
    metavar="NAME",
    help="Leave the plugins of this distribution out; may be repeated.  [none]",
)
@click.pass_context
def cli(ctx: click.Context, no_plugin: tuple[str, ...]) -> None:
    """Train Super Smash Bros. Melee bots by imitating Slippi replays.

    \b
    Try it on games that it makes itself:
      exphil train --demo
    Then on your own:
      exphil train --replays ~/Slippi --preset standard
    """
    # `plugins uninstall` has to work even when a plugin ends the process on import; the rest may load at once.
    if ctx.invoked_subcommand != "plugins":
        manager_of(ctx)


def manager_of(ctx: click.Context, *, quiet: bool = False) -> PluginManager:
    """The plugins of this run, loaded when first asked for; says on stderr what is wrong with them unless `quiet`."""
    root = ctx.find_root()
    if root.obj is None:
        root.obj = load_plugins(without=root.params.get("no_plugin", ()))
        for problem in () if quiet or follows() else root.obj.problems:
            click.echo(f"exphil: {problem}", err=True)
    manager: PluginManager = root.obj
    return manager


def main(args: list[str] | None = None) -> NoReturn:
    """Run `exphil` and exit. Status: 0 done, 1 the user can fix it, 2 wrong usage, 130 interrupted."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # Names of files and tags of players may hold what a terminal's encoding lacks.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(args))


def run(args: list[str] | None = None) -> int:
    """Run `exphil` and return its exit status."""
    debug = os.environ.get("EXPHIL_DEBUG") == "1"
    # Before torch is loaded. Threads that spin while they wait train 8 times slower than one thread alone as soon
    # as anything else (a game, a browser) takes a core; threads that sleep lose little.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        result: Any = cli.main(args=args, prog_name="exphil", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("exphil: interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        _complain(error)
        return error.exit_code
    except ExphilError as error:
        if debug:
            raise
        for line in str(error).splitlines():
            click.echo(f"exphil: {line}", err=True)
        return error.exit_status
    except BrokenPipeError:
        # `exphil … | head` closed our output: say nothing more, not even at interpreter exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"exphil: {where}{error.strerror or error}", err=True)
        return 1


def _complain(error: click.ClickException) -> None:
    """One line, with the command whose help would say more."""
    if follows():
        return
    ctx = getattr(error, "ctx", None)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return
    message = " ".join(error.format_message().split())
    if isinstance(error, click.NoSuchOption) and error.option_name == "--no-plugin":
        message = "--no-plugin comes before the command: exphil --no-plugin NAME COMMAND …"
    hint = f" (see `{ctx.command_path} --help`)" if ctx is not None else ""
    click.echo(f"exphil: {message}{hint}", err=True)
