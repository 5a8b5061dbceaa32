"""The flags of `exphil eval` that make a page of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

from exphil_core.checkpoints.atomic import why_unwritable
from exphil_core.errors import ExphilError, UsageError

if TYPE_CHECKING:
    import torch

    from exphil_core.config.schema import TrainConfig
    from exphil_core.evaluation.evaluate import Evaluation
    from exphil_core.evaluation.models import EvalModel

Function = TypeVar("Function", bound=Callable[..., Any])


@attrs.frozen(kw_only=True)
class PageWish:
    """Where the page goes, and which game it shows."""

    path: Path
    game: str | None

    def check(self, files: Sequence[str]) -> None:
        """Refuse a game that isn't among `files` before they are judged, which may take minutes."""
        from exphil_core.evaluation.page.choice import check_wanted

        if self.game is not None:
            check_wanted(files, self.game)

    def write(
        self,
        result: Evaluation,
        model: EvalModel,
        config: TrainConfig,
        checkpoints: Path,
        device: torch.device,
    ) -> None:
        """Write the page, and say so on stderr: stdout may be JSON."""
        from exphil_core.evaluation.page.write import write_page

        shown = write_page(
            self.path,
            result.reports[0],
            model,
            config,
            wanted=self.game,
            checkpoints=checkpoints,
            device=device,
        )
        size = self.path.stat().st_size / 1e6
        click.echo(
            f"wrote {self.path} ({size:.1f} MB), which plays {shown.file}: open it in a browser", err=True
        )


def page_options(function: Function) -> Function:
    """`--html` and `--game`."""
    decorated = click.option(
        "--game",
        metavar="N|NAME",
        help="The game that the page of --html plays: its number, 1 being the one that the model is worst at, or "
        "part of its file's name.  [a typical one]",
    )(function)
    return click.option(
        "--html",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="OUT",
        help="Write it all to this file as a page to look at: one file, for any browser, without a network.  [none]",
    )(decorated)


def page_wish(html: Path | None, game: str | None, models: Sequence[str]) -> PageWish | None:
    """What the flags ask for. Raises UsageError where they contradict each other or can't be done."""
    if html is None:
        if game is not None:
            raise UsageError("--game says which game the page of --html shows: add --html OUT")
        return None
    if len(models) > 1:
        raise UsageError(f"--html shows one model, not {len(models)}: leave --compare away, or --html")
    if not html.parent.is_dir():
        raise UsageError(f"--html {html}: there is no folder {html.parent}; make it first")
    if html.exists() and not html.is_file():
        raise UsageError(f"--html {html}: that is no regular file; give another name")
    if why := why_unwritable(html.parent):
        raise ExphilError(f"--html {html}: nothing can be written there: {why}")
    return PageWish(path=html, game=game)
