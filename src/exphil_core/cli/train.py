"""`exphil train`: settings in, a registered model out."""

from __future__ import annotations

import json
import shlex
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from exphil_core.cli.main import INTERRUPTED, manager_of
from exphil_core.cli.output import shown
from exphil_core.cli.progress import make_reporter
from exphil_core.cli.ranks import team_of_this_run
from exphil_core.cli.settings import given_flags, setting_flags, spread_greedy
from exphil_core.config.files import read_settings
from exphil_core.config.resolve import ResolvedConfig, resolve
from exphil_core.config.schema import TrainConfig
from exphil_core.errors import UsageError
from exphil_core.plugin_manager import PluginManager
from exphil_core.training.reporter import SilentReporter
from exphil_core.wording import one_line

if TYPE_CHECKING:
    from exphil_core.training.reporter import Reporter
    from exphil_core.training.resume import Resumed
    from exphil_core.training.run import TrainedModel, UnfinishedRun
    from exphil_core.training.team import Team

# What `--demo` trains on: enough for a small model with memory to beat both baselines within two minutes.
DEMO_GAMES, DEMO_MINUTES, DEMO_SEED = 24, 2.0, 0
DEMO_FOLDER = "demo/replays"


class TrainCommand(click.Command):
    """Lets `--replays` take every word up to the next flag, as shells expand globs."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread_greedy(args))


@click.command(cls=TrainCommand)
@click.option("--preset", metavar="NAME", help="Named settings; see `exphil presets list`.  [none]")
@click.option(
    "--config",
    "settings_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings from a .json or .toml file, or from a model's config file.  [none]",
)
@click.option(
    "--resume",
    "resumed",
    metavar="STATE|last",
    help="Go on with a run exactly where its state was saved; settings come from there.  [none]",
)
@click.option("--demo", is_flag=True, help="Make games with the sandbox and train on those.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "rich", "plain", "none"]),
    default="auto",
    show_default=True,
    help="How to show progress.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be read, trained and written; do nothing.")
@setting_flags(TrainConfig)
@click.pass_context
def train(
    ctx: click.Context,
    /,
    preset: str | None,
    settings_file: Path | None,
    resumed: str | None,
    demo: bool,
    progress: str,
    dry_run: bool,
    **values: Any,
) -> None:
    """Train a model on replays.

    \b
    Example:
      exphil train --replays ~/Slippi --character fox --backbone gru --epochs 5

    Settings come from defaults < preset < --config file < flags; the default of each stands in brackets.
    """
    flags = given_flags(TrainConfig, values)
    with team_of_this_run() as team:
        reporter = make_reporter(progress) if team.leads else SilentReporter()
        if resumed is not None:
            others = _contradicting(preset, settings_file, demo, dry_run)
            _resume(ctx, resumed, flags, others, reporter, team)
        else:
            _begin(ctx, preset, settings_file, demo, dry_run, flags, reporter, team)


def _begin(
    ctx: click.Context,
    preset: str | None,
    settings_file: Path | None,
    demo: bool,
    dry_run: bool,
    flags: dict[str, Any],
    reporter: Reporter,
    team: Team,
) -> None:
    """A run from its beginning."""
    if demo and "replays" in flags:
        raise UsageError("--demo makes its own replays: give either --demo or --replays")
    file = read_settings(settings_file) if settings_file else None
    parts: dict[str, Any] = {
        "preset": preset or (file.preset if file else None),
        "preset_from": file.layer.origin if file and not preset else "",
        "layers": [file.layer] if file else [],
        "flags": flags,
    }
    start = {**(file.layer.values if file else {}), **flags}.get("from_checkpoint")
    run = resolve(manager_of(ctx), **parts) if start is None else _fine_tune(manager_of(ctx), start, parts)
    if preset and file and file.preset not in (None, preset):
        unused = (
            f"preset {one_line(file.preset)} of {file.layer.origin} does nothing beside --preset {preset}"
        )
        run = attrs.evolve(run, warnings=(*run.warnings, unused))
    if demo and run.config.replays:
        unused = f"replays ({run.origins['replays']}) are not read: --demo makes its own"
        warnings = (*run.warnings, unused)
        run = attrs.evolve(run, config=attrs.evolve(run.config, replays=()), warnings=warnings)
    if not demo and not run.config.replays:
        raise UsageError("no replays: give --replays PATH…, or --demo to train on games made by the sandbox")
    _show_settings(run, reporter)
    if dry_run:
        from exphil_core.training.dry_run import dry_run as plan

        for line in plan(run, manager_of(ctx), datetime.now(timezone.utc), demo):
            if team.leads:
                click.echo(line)
        return
    _train(ctx, run, demo, reporter, team)


def _fine_tune(manager: PluginManager, start: str, parts: dict[str, Any]) -> ResolvedConfig:
    """Resolve a run with the settings of the model that it starts from as its defaults."""
    from exphil_core.training.checkpoint import check_fits, find_checkpoint

    folder = parts["flags"].get("checkpoints", attrs.fields(TrainConfig).checkpoints.default)
    checkpoint = find_checkpoint(start, folder)
    run = resolve(manager, parent=checkpoint.layer(), **parts)
    check_fits(run, checkpoint)
    return run


def _show_settings(run: ResolvedConfig, reporter: Reporter) -> None:
    for key, value in attrs.asdict(run.config).items():
        reporter.line(f"  {key} = {shown(value)}  ({run.origins[key]})")
    for warning in run.warnings:
        reporter.line(f"warning: {warning}")


def _contradicting(preset: str | None, file: Path | None, demo: bool, dry_run: bool) -> list[str]:
    """Flags that make no sense beside --resume."""
    given = {"--preset": preset, "--config": file, "--demo": demo, "--dry-run": dry_run}
    return [name for name, value in given.items() if value]


def _resume(
    ctx: click.Context,
    wanted: str,
    flags: dict[str, Any],
    others: list[str],
    reporter: Reporter,
    team: Team,
) -> None:
    if others:
        raise UsageError(f"{', '.join(others)}: a run that is resumed has its settings in its state")
    from exphil_core.training.resume import resume

    checkpoints = flags.get("checkpoints", attrs.fields(TrainConfig).checkpoints.default)
    resumed = resume(wanted, str(checkpoints), flags, manager_of(ctx), reporter.line)
    _show_settings(resumed.run, reporter)
    training = resumed.record["training"]
    where = f"epoch {training['under_way']['epoch']}, step {training['steps']}"
    reporter.line(f"going on with {resumed.stem} at {where}")
    _run(ctx, resumed.run, reporter, resumed, team)


def _train(ctx: click.Context, run: ResolvedConfig, demo: bool, reporter: Reporter, team: Team) -> None:
    if demo:
        from exphil_core.training.prepare import check_possible

        check_possible(run.config)
        run = _with_demo_replays(run, reporter, team)
    _run(ctx, run, reporter, None, team)


def _run(
    ctx: click.Context, run: ResolvedConfig, reporter: Reporter, resumed: Resumed | None, team: Team
) -> None:
    # Only now: torch takes a second and a half to import.
    from exphil_core.training.interrupts import RANKS_TOGETHER_SECONDS, stop_on_signals
    from exphil_core.training.run import UnfinishedRun
    from exphil_core.training.run import train as train_model

    with stop_on_signals(RANKS_TOGETHER_SECONDS if team.world > 1 else 0.0) as stop:
        try:
            result = train_model(run, manager_of(ctx), reporter, stop=stop, resumed=resumed, team=team)
        finally:
            reporter.finish()
        if isinstance(result, UnfinishedRun):
            if team.speaks():
                _told_unfinished(result)
            ctx.exit(INTERRUPTED if result.outcome.interrupted else 1)
        if team.leads:
            _told(result, reporter)


def _told_unfinished(run: UnfinishedRun) -> None:
    """Say how the run ended and how to go on."""
    click.echo(f"exphil: {run.outcome.stopped}", err=True)
    if run.state is None:
        click.echo("exphil: no step had been done; nothing was kept", err=True)
    else:
        click.echo(f"go on:  exphil train --resume {shlex.quote(str(run.state))}")
    if run.state is not None and run.outcome.best is not None:
        done, best = len(run.outcome.history), run.outcome.best
        click.echo(
            f"or keep epoch {best.epoch} (val_loss {best.validation.val_loss:.4f}) as it is:  "
            f"exphil train --resume {shlex.quote(str(run.state))} --epochs {done}"
        )


def _told(trained: TrainedModel, reporter: Reporter) -> None:
    """Say what came out of the run."""
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
    click.echo(f"see it: exphil registry show {entry.id} --checkpoints {shlex.quote(str(trained.folder))}")


def _with_demo_replays(run: ResolvedConfig, reporter: Reporter, team: Team) -> ResolvedConfig:
    paths = _demo_replays(reporter) if team.leads else []
    team.wait()
    return attrs.evolve(
        run,
        config=attrs.evolve(run.config, replays=tuple(json.loads(team.told(json.dumps(paths))))),
        origins={**run.origins, "replays": "--demo"},
    )


def _demo_replays(reporter: Reporter) -> list[str]:
    from exphil_core.sandbox import make_replays

    folder = Path(DEMO_FOLDER)
    reporter.start("making demo games", DEMO_GAMES, "games")
    try:
        paths = make_replays(
            folder,
            games=DEMO_GAMES,
            minutes=DEMO_MINUTES,
            seed=DEMO_SEED,
            progress=lambda done, _: reporter.advance(done),
        )
    finally:
        reporter.finish()
    reporter.line(f"made {DEMO_GAMES} demo games in {folder} (a sandbox, not Melee)")
    return list(map(str, paths))
