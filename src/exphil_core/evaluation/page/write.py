"""From a finished evaluation to the file: the game picked and read again, its timeline, the curves of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from exphil_core.checkpoints.atomic import write_bytes
from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError, ReplayError
from exphil_core.evaluation.models import EvalModel
from exphil_core.evaluation.page.choice import choose_game
from exphil_core.evaluation.page.page import page_of
from exphil_core.evaluation.report import EvalReport, GameRow
from exphil_core.evaluation.timeline import timeline
from exphil_core.replays.archives import read_one
from exphil_core.replays.game import Game
from exphil_core.replays.inspecting import inspect
from exphil_core.replays.sources import find_replays
from exphil_core.training.curves import find_run


def write_page(
    path: Path,
    report: EvalReport,
    model: EvalModel,
    config: TrainConfig,
    *,
    wanted: str | None,
    checkpoints: Path,
    device: torch.device,
) -> GameRow:
    """Write the page of `report` to `path`, atomically, with the timeline of the game that `wanted` means (see
    `choose_game`) as `shown_side` sees it. `config` says where the games are. Returns the game shown."""
    row = choose_game(report.games, wanted)
    game = read_again(row, config)
    line = timeline(
        model.policy.to(device),
        game,
        shown_side(row, game),
        delay=model.facts.delay,
        features=model.features,
        device=device,
    )
    text = page_of(report, line, file=row.file, history=history_of(model, checkpoints))
    write_bytes(path, text.encode("utf-8"))
    return row


def shown_side(row: GameRow, game: Game) -> int:
    """The first human side that was judged, or else the first one."""
    return next((side for side in row.scored if game.info.players[side].human), row.scored[0])


def read_again(row: GameRow, config: TrainConfig) -> Game:
    """The game of `row`, out of the replays of `config`. Raises ExphilError if it is gone."""
    for file in find_replays(config.replays):
        if file.name != row.file:
            continue
        try:
            game: Game = inspect(read_one(file), str(file)).game(config.rollback)
        except ReplayError:
            continue  # of several of that name, one may be damaged
        if game.info.game_hash == row.game:
            return game
    raise ExphilError(f"{row.file}: no longer there, or changed since it was judged; evaluate again")


def history_of(model: EvalModel, checkpoints: Path) -> Sequence[Mapping[str, Any]]:
    """The metrics of the run that made `model`, an object an epoch; none where its files don't tell."""
    try:
        return find_run(model.facts.file, checkpoints).epochs
    except (ExphilError, OSError):
        return ()
