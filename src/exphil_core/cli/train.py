"""`exphil train`: settings in, a registered model out."""

from __future__ import annotations

from typing import Any

import attrs
import click

from exphil_core.cli.main import INTERRUPTED, manager_of
from exphil_core.cli.settings import given_flags, setting_flags, spread_greedy
from exphil_core.config.resolve import ResolvedConfig, resolve
from exphil_core.config.schema import TrainConfig
from exphil_core.errors import UsageError

# What `--demo` trains on: enough for a small model with memory to beat both baselines within two minutes.
DEMO_GAMES, DEMO_MINUTES, DEMO_SEED = 24, 2.0, 0
DEMO_FOLDER = "demo/replays"


class TrainCommand(click.Command):
    """Lets `--replays` take every word up to the next flag, as shells expand globs."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread_greedy(args))


@click.command(cls=TrainCommand)
@click.option("--preset", metavar="NAME", help="Named settings; see `exphil presets list`.  [none]")
@click.option("--demo", is_flag=True, help="Make games with the sandbox and train on those.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "rich", "plain", "none"]),
    default="auto",
    show_default=True,
    help="How to show progress.",
)
@setting_flags(TrainConfig)
@click.pass_context
def train(
    ctx: click.Context, /, preset: str | None, demo: bool, progress: str, **values: Any
) -> None:
    """Train a model on replays.

    \b
    Example:
      exphil train --replays ~/Slippi --character fox --backbone gru --epochs 5

    Settings come from defaults < preset < flags; the default of each stands in brackets.
    """
    flags = given_flags(TrainConfig, values)
    if demo and "replays" in flags:
        raise UsageError("--demo makes its own replays: give either --demo or --replays")
    run = resolve(manager_of(ctx), preset=preset, flags=flags)
    if not demo and not run.config.replays:
        raise UsageError("no replays: give --replays PATH…, or --demo to train on games made by the sandbox")
    _train(ctx, run, demo, progress)


def _train(ctx: click.Context, run: ResolvedConfig, demo: bool, progress: str) -> None:
    from exphil_core.cli.progress import make_reporter

    reporter = make_reporter(progress)
    for key, value in attrs.asdict(run.config).items():
        reporter.line(f"  {key} = {_shown(value)}  ({run.origins[key]})")
    for warning in run.warnings:
        reporter.line(f"warning: {warning}")
    if demo:
        run = _with_demo_replays(run, reporter)

    # Only now: torch takes a second and a half to import.
    from exphil_core.training.run import train as train_model

    trained = train_model(run, manager_of(ctx), reporter)
    if trained is None:
        click.echo("exphil: interrupted before the first epoch was validated; nothing was kept", err=True)
        ctx.exit(INTERRUPTED)
    entry, outcome = trained.entry, trained.outcome
    assert outcome.best is not None
    if outcome.stopped:
        reporter.line(f"stopped: {outcome.stopped}")
    score = outcome.best.validation
    reporter.line(
        f"best epoch {outcome.best.epoch}: val_loss {score.val_loss:.4f} nats a frame on {score.frames:,} held-out "
        f"frames (repeat baseline {score.baseline_repeat:.4f}, marginal {score.baseline_marginal:.4f})"
    )
    click.echo(f"registered {entry.id} in {trained.folder}")
    click.echo(f"see it: exphil registry show {entry.id} --checkpoints {trained.folder}")
    if outcome.interrupted or outcome.failed:
        ctx.exit(INTERRUPTED if outcome.interrupted else 1)


def _with_demo_replays(run: ResolvedConfig, reporter: Any) -> ResolvedConfig:
    from pathlib import Path

    from exphil_core.sandbox import make_replays

    folder = Path(DEMO_FOLDER)
    reporter.start("making demo games", DEMO_GAMES, "games")
    make_replays(
        folder,
        games=DEMO_GAMES,
        minutes=DEMO_MINUTES,
        seed=DEMO_SEED,
        progress=lambda done, _: reporter.advance(done),
    )
    reporter.finish()
    reporter.line(f"made {DEMO_GAMES} demo games in {folder} (a sandbox, not Melee)")
    return attrs.evolve(
        run,
        config=attrs.evolve(run.config, replays=(str(folder),)),
        origins={**run.origins, "replays": "--demo"},
    )


def _shown(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value)) or "-"
    return "-" if value is None or value == {} else str(value)
