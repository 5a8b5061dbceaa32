"""What the ways to play share: how their flags are declared, and the refusal of another way's flags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import click

from exphil_core.errors import UsageError

SHARED: tuple[click.Option, ...] = (
    click.Option(
        ["--character"], metavar="NAME", help="Whom the model plays.  [the character that it was trained on]"
    ),
    click.Option(
        ["--opponent-character"],
        metavar="NAME",
        help="Whom the opponent plays.  [in Dolphin a CPU player's fox; in the sandbox the one that a model was "
        "trained on, or the demo games' four]",
    ),
    click.Option(["--stage"], metavar="NAME", help="Where to play.  [in the sandbox all stages]"),
    click.Option(
        ["--games"],
        type=click.IntRange(min=1),
        metavar="N",
        help="Stop after so many games.  [in the sandbox 100, or 1 with --watch]",
    ),
    click.Option(
        ["--temperature"],
        type=click.FloatRange(min=0.0),
        default=1.0,
        show_default=True,
        help="How boldly controllers are drawn: 1 as it was trained, 0 always the likeliest.",
    ),
    click.Option(
        ["--seed"],
        type=click.IntRange(0, 2**63 - 1),
        metavar="N",
        help="Seed of what is drawn.  [another one each time]",
    ),
)


def given_names(ctx: click.Context) -> set[str]:
    """Parameters that stand on the command line."""
    source = click.core.ParameterSource.COMMANDLINE
    return {name for name in ctx.params if ctx.get_parameter_source(name) is source}


def refuse_others(ctx: click.Context, way: str, ways: Mapping[str, Sequence[click.Option]]) -> None:
    """Raise UsageError if a flag of a way to play other than `way` was given; `ways` has the flags of each."""
    own = {option.name for option in ways[way]}
    others = [(name, option) for name, options in ways.items() if name != way for option in options]
    wrong = [(name, option) for name, option in others if option.name in given_names(ctx) - own]
    if wrong:
        flags = ", ".join(option.opts[0] for _, option in wrong)
        raise UsageError(f"{flags}: goes with {wrong[0][0]}, not with {way}")


def flags_of(options: Iterable[click.Option], ctx: click.Context) -> dict[str, object]:
    """The values of `options` in this call."""
    return {str(option.name): ctx.params[str(option.name)] for option in options}
