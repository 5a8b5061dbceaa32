"""Built-in loggers. What they write with comes with an extra of this distribution."""

from __future__ import annotations

from exphil_core import LoggerSpec, hookimpl
from exphil_core.builtin.logger_options import TensorBoardOptions, WandbOptions

exphil_contract = 1


@hookimpl
def exphil_loggers() -> list[LoggerSpec]:
    return [
        LoggerSpec(
            name="tensorboard",
            factory="exphil_core.training.log_tensorboard:TensorBoardLogger",
            options=TensorBoardOptions,
            needs=("tensorboard",),
            install="exphil-core[tensorboard]",
            summary="Event files for TensorBoard, in the checkpoints folder.",
        ),
        LoggerSpec(
            name="wandb",
            factory="exphil_core.training.log_wandb:WandbLogger",
            options=WandbOptions,
            needs=("wandb",),
            install="exphil-core[wandb]",
            summary="Weights & Biases, online or offline.",
        ),
    ]
