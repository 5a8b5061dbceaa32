"""Settings of the built-in loggers: what `--log-option` sets."""

from __future__ import annotations

import attrs

from exphil_core.options import one_of, option


@attrs.frozen(kw_only=True)
class TensorBoardOptions:
    """``--log-option tensorboard.folder=runs``."""

    folder: str | None = option(
        None, default_text="tensorboard/ in the checkpoints folder", help="Folder of the event files."
    )


@attrs.frozen(kw_only=True)
class WandbOptions:
    """``--log-option wandb.project=melee``."""

    project: str = option("exphil", help="Project that the run goes to.")
    entity: str | None = option(None, default_text="your own", help="User or team that it belongs to.")
    mode: str | None = option(
        None,
        rule=one_of("online", "offline"),
        default_text="WANDB_MODE, or online",
        help="Whether to send metrics at once, or to keep them for `wandb sync`.",
    )
