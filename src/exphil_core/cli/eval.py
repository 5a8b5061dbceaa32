"""`exphil eval`: how good a model is, on which games, and which of two is better."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from exphil_core.cli.eval_page import PageWish, page_options, page_wish
from exphil_core.cli.main import manager_of
from exphil_core.cli.output import print_json
from exphil_core.cli.progress import make_reporter
from exphil_core.cli.registry_options import folder_option, json_option
from exphil_core.cli.settings import given_flags, setting_flags, spread_greedy
from exphil_core.config.presets import Layer
from exphil_core.config.resolve import resolve
from exphil_core.config.schema import FILTERS, TrainConfig
from exphil_core.errors import UsageError
from exphil_core.plugin_manager import PluginManager

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exphil_core.evaluation.evaluate import Evaluation
    from exphil_core.evaluation.models import EvalModel
    from exphil_core.training.reporter import Reporter

# Settings of a run that say what is read; weights and idle stretches never decide what a model is judged on.
SHARED = (
    *(name for name in FILTERS if name not in ("weights", "drop_idle")),
    "rollback", "cache_dir", "device", "threads",
)  # fmt: skip
# The same flags as `exphil train` has, in the words of a judge.
HELP = {
    "character": "Judge on this character's side of each game; `none`: on every human side.",
    "any_player": "Also judge on CPU players and games against them.",
    "winner_only": "Judge only on who won the game; games without a known winner are left out.",
    "player": "Judge only on players with this tag or connect code, such as MANG#0; may be repeated.",
    "device": "Where to compute.",
}
DEFAULTS = {"character": "the model's own", "rollback": "the model's own"}
GREEDY = ("--replays", "--compare")


class EvalCommand(click.Command):
    """Lets `--replays` and `--compare` take every word up to the next flag."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread_greedy(args, GREEDY))


@click.command("eval", cls=EvalCommand)
@click.argument("models", nargs=-1, metavar="MODEL…")
@click.option(
    "--replays",
    multiple=True,
    metavar="PATH…",
    help="Replay files, folders (searched recursively), globs, and .zip or .7z archives; may be repeated.",
)
@click.option(
    "--compare",
    multiple=True,
    metavar="MODEL…",
    help="Judge these, too, against the first one, in pairs.  [none]",
)
@click.option(
    "--held-out",
    is_flag=True,
    help="Only the games and sides that the model's own run (each model's) held out.",
)
@click.option(
    "--bootstrap",
    type=click.IntRange(10, 100_000),
    default=1000,
    show_default=True,
    metavar="N",
    help="How often games are drawn anew for the intervals.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of the intervals, of the controllers that are drawn, and of --max-files.",
)
@click.option(
    "--streaming",
    is_flag=True,
    help="Frame by frame, through the code that plays: slow, and the same figures.",
)
@click.option(
    "--progress",
    type=click.Choice(["auto", "rich", "plain", "none"]),
    default="auto",
    show_default=True,
    help="How to show progress.",
)
@page_options
@folder_option
@json_option
@setting_flags(TrainConfig, SHARED, helps=HELP, defaults=DEFAULTS)
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    models: tuple[str, ...],
    replays: tuple[str, ...],
    compare: tuple[str, ...],
    held_out: bool,
    bootstrap: int,
    seed: int,
    streaming: bool,
    progress: str,
    html: Path | None,
    game: str | None,
    folder: Path,
    as_json: bool,
    **values: Any,
) -> None:
    """Judge a model on replays: loss against the baselines, accuracy, presses, sticks, calibration, by character,
    opponent, stage and situation, with intervals from drawing games anew.

    \b
    Examples:
      exphil eval fox_gru_2026 --replays ~/Slippi --held-out --html fox.html
      exphil eval --compare fox_gru_2026 fox_mamba_2026 --replays ~/Slippi/2026

    MODEL is a model's id (or the beginning of it), or any of its files; its _policy.safetensors alone will do.
    """
    wanted = tuple(dict.fromkeys((*models, *compare)))
    if not wanted:
        raise UsageError(
            "no model: give its id or one of its files, as in `exphil eval MODEL --replays PATH…`"
        )
    if not replays:
        raise UsageError("no replays: give --replays PATH…")
    page = page_wish(html, game, wanted)
    flags = {**given_flags(TrainConfig, values), "replays": replays, "seed": str(seed)}
    reporter = make_reporter(progress)
    result, write_page = _evaluated(
        manager_of(ctx),
        wanted,
        flags,
        {"checkpoints": str(folder), "held_out": held_out},
        {"samples": bootstrap, "seed": seed, "streaming": streaming},
        page,
        reporter,
    )
    for warning in dict.fromkeys(line for report in result.reports for line in report.warnings):
        reporter.line(f"warning: {warning}")
    if as_json:
        print_json(result.as_json())
    else:
        from exphil_core.cli.eval_tables import show

        show(result)
    write_page()  # last: whatever goes wrong with it, the figures are there


def _evaluated(
    manager: PluginManager,
    wanted: Sequence[str],
    flags: dict[str, Any],
    where: dict[str, Any],
    how: dict[str, Any],
    page: PageWish | None,
    reporter: Reporter,
) -> tuple[Evaluation, Callable[[], None]]:
    """What came of it, and what writes the page of it, if one is wished for."""
    # Wrong settings are told before torch is imported and models are read.
    resolve(manager, flags=flags, trains=False)
    import torch

    from exphil_core.evaluation.evaluate import EvalSettings
    from exphil_core.evaluation.evaluate import evaluate as judge
    from exphil_core.evaluation.games import games_for
    from exphil_core.evaluation.models import open_model
    from exphil_core.models.blame import blaming
    from exphil_core.training.loop import pick_device

    opened = [open_model(name, where["checkpoints"], manager, reporter.line) for name in wanted]
    models = list({Path(model.facts.file).resolve(): model for model in opened}.values())
    config = resolve(manager, flags=flags, parent=_own(models, flags, reporter), trains=False).config
    if config.threads:
        torch.set_num_threads(config.threads)
    device = pick_device(config.device)
    games = games_for(models, config, reporter, where["held_out"])
    if page is not None:
        page.check(games[0].files)
    settings = EvalSettings(character=config.character, held_out_only=where["held_out"], **how)
    with ExitStack() as stack:
        for model in models:
            stack.enter_context(blaming(model.policy, manager))
        result = judge(models, games, settings, device, reporter, datetime.now(timezone.utc))
    if page is None:
        return result, lambda: None
    return result, partial(page.write, result, models[0], config, Path(where["checkpoints"]), device)


def _own(models: Sequence[EvalModel], flags: dict[str, Any], reporter: Reporter) -> Layer:
    """What the models were made for decides what they are judged on, where they agree and the user doesn't say."""
    own: dict[str, Any] = {}
    for name, kinds in (
        ("character", {model.facts.character for model in models} - {None}),
        ("rollback", {model.rollback for model in models} - {None}),
    ):
        if len(kinds) == 1:
            own[name] = kinds.pop()
        elif kinds and name not in flags:
            told = ", ".join(sorted(map(str, kinds)))
            default = getattr(attrs.fields(TrainConfig), name).default
            reporter.line(
                f"--{name}: the models were trained with {told}; taking {default or 'every human side'}"
            )
    return Layer("model", own)
