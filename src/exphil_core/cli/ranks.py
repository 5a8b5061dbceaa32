"""What is different about `exphil train` when `torchrun` starts several: rank 0 speaks, and all end together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import click

from exphil_core.cli.main import INTERRUPTED
from exphil_core.errors import ExphilError
from exphil_core.training.launch import launched
from exphil_core.training.team import ALONE, Team


@contextlib.contextmanager
def team_of_this_run() -> Iterator[Team]:
    """The ranks that were started together. Whatever ends one of them out of turn ends the others; one says why."""
    launch = launched()
    if launch.world == 1:
        yield ALONE
        return
    from exphil_core.training.distributed import join

    team = join(launch)
    try:
        yield team
    except click.exceptions.Exit:
        team.end()
        raise
    except BaseException as error:
        raise _left(team, error) from None
    team.end()


def _left(team: Team, error: BaseException) -> BaseException:
    """What the command ends with after `error`: silently where another rank has said it."""
    interrupted = isinstance(error, (KeyboardInterrupt, click.Abort))
    if interrupted:
        team.leave("interrupted")
    else:
        team.leave(
            "failed", str(error) if isinstance(error, ExphilError) else f"{type(error).__name__}: {error}"
        )
    if team.speaks():
        return error
    status = error.exit_status if isinstance(error, ExphilError) else 1
    return click.exceptions.Exit(INTERRUPTED if interrupted else status)
