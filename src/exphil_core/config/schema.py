"""Every setting of a training run, with help, rule and unit beside it. Flags and documentation come from here."""

from __future__ import annotations

from typing import Any

import attrs

from exphil_core.checkpoints.entry import tag_problem
from exphil_core.config.save_every import RULE as SAVE_RULE
from exphil_core.options import (
    Rule,
    above,
    at_least,
    between,
    day,
    duration,
    inside,
    one_of,
    option,
    positive,
    share,
    some,
)

TAG_RULE = Rule(
    says="1 to 64 characters that can be shown, without spaces and commas",
    holds=lambda tag: tag_problem(tag) is None,
)

DATA, MODEL, TRAINING, OUTPUT = "Data", "Model", "Training", "Output"
# Settings that say which games and which sides of them are wanted; commands that read replays share them.
FILTERS = (
    "character", "opponent", "stage", "min_frames", "max_files", "any_player", "winner_only", "player",
    "exclude_file", "since", "weights", "drop_idle",
)  # fmt: skip


@attrs.frozen(kw_only=True)
class TrainConfig:
    """One training run, fully resolved. `None` where a setting is off or nothing was chosen."""

    replays: tuple[str, ...] = option(
        (),
        group=DATA,
        help="Replay files, folders (searched recursively), globs, and .zip or .7z archives; may be repeated.",
    )
    character: str | None = option(
        None,
        group=DATA,
        default_text="every human side",
        help="Train on this character's side of each game (both sides of a ditto).",
    )
    opponent: tuple[str, ...] = option(
        (), group=DATA, default_text="any", help="Only games against one of these characters."
    )
    stage: tuple[str, ...] = option((), group=DATA, default_text="any", help="Only games on these stages.")
    min_frames: int = option(0, group=DATA, rule=at_least(0), unit="frames", help="Leave out shorter games.")
    max_files: int | None = option(
        None,
        group=DATA,
        rule=at_least(1),
        default_text="all",
        help="After the filters, a sample of so many games, drawn by content hash and seed.",
    )
    any_player: bool = option(
        False,
        flag="any-player",
        negative="human-only",
        group=DATA,
        help="Also learn from CPU players and games against them.",
    )
    winner_only: bool = option(
        False, group=DATA, help="Imitate only who won the game; games without a known winner are left out."
    )
    player: tuple[str, ...] = option(
        (),
        group=DATA,
        default_text="anyone",
        help="Imitate only players with this tag or connect code, such as MANG#0; may be repeated.",
    )
    exclude_file: str | None = option(
        None,
        group=DATA,
        default_text="none",
        help="Leave out the replays that this file lists: names, paths or hashes, one a line.",
    )
    since: str | None = option(
        None,
        group=DATA,
        default_text="any date",
        unit="date",
        parse=day,
        help="Leave out games that were played before this day, as in 2024-01-31, and those without a date.",
    )
    weights: str | None = option(
        None,
        group=DATA,
        default_text="1 each",
        help="A .toml or .json table of weights by player, character or rank: how much their examples count in "
        "training; 0 leaves them out of it.",
    )
    drop_idle: bool = option(
        True, group=DATA, help="Don't imitate a side while it makes no input for 10 s or longer."
    )
    rollback: str = option(
        "last",
        group=DATA,
        rule=one_of("last", "first"),
        help="Which version of a rolled-back frame to read: what happened in the end, or what was shown first.",
    )
    validation_fraction: float = option(
        0.1,
        group=DATA,
        rule=inside(0, 1),
        help="Share of the games held out, chosen by content hash; at least one game.",
    )
    cache_dir: str | None = option(
        None,
        group=DATA,
        default_text="EXPHIL_CACHE, or the user's cache folder",
        help="Folder for what is computed from replays; it may be deleted at any time.",
    )
    delay: int = option(
        0,
        group=DATA,
        rule=between(0, 30),
        unit="frames",
        help="Reaction delay: the controller to predict is that of so many frames after the next one.",
    )

    backbone: str = option("gru", group=MODEL, help="The network; see `exphil backbones list`.")
    hidden_sizes: tuple[int, ...] = option(
        (128, 128), group=MODEL, rule=some(between(1, 65_536)), help="Width of each layer, as in 256,256."
    )
    temporal: bool | None = option(
        None,
        group=MODEL,
        default_text="as the backbone",
        help="Whether the model remembers earlier frames.",
    )
    window_size: int = option(
        60,
        group=MODEL,
        rule=between(1, 1_000_000),
        unit="frames",
        help="Length of the stretches that a temporal backbone is trained on; state is carried between them.",
    )
    backbone_options: dict[str, Any] = option(
        attrs.Factory(dict),
        flag="backbone-option",
        group=MODEL,
        default_text="the backbone's own",
        help="A setting of the backbone's own, as in d_state=8; may be repeated.",
    )
    head: str = option(
        "autoregressive",
        group=MODEL,
        rule=one_of("autoregressive", "independent"),
        help="Whether each part of the controller is predicted given the parts before it, or alone.",
    )
    dropout: float = option(
        0.0,
        group=MODEL,
        rule=share(),
        help="Share of what embedding, each layer and head give that is dropped at random in training.",
    )
    features: tuple[str, ...] = option(
        (),
        group=MODEL,
        default_text="none",
        help="Character features to add to the observation; see `exphil plugins list`; `none`: none, not a "
        "preset's either.",
    )

    from_checkpoint: str | None = option(
        None,
        group=MODEL,
        default_text="random weights",
        help="Start from the weights of this model: its id, or any of its files. Its network's settings and its "
        "character are the defaults.",
    )
    allow_new_features: bool = option(
        False,
        group=MODEL,
        help="Let --from-checkpoint have features that its model doesn't know; they count for nothing at first.",
    )

    mirror: float = option(
        0.0,
        group=TRAINING,
        rule=between(0, 1),
        help="Share of the training examples that are seen in a mirror.",
    )
    swap_buttons: float = option(
        0.0,
        group=TRAINING,
        rule=between(0, 1),
        help="Share of the training examples in which X and Y change places, and of those in which L and R do: the "
        "game treats them alike.",
    )
    mask_dropout: float = option(
        0.0,
        group=TRAINING,
        rule=between(0, 1),
        help="Share of the training examples from which each group of columns that may be unknown is hidden.",
    )
    controller_dropout: float = option(
        0.0,
        group=TRAINING,
        rule=between(0, 1),
        help="Share of the training examples whose last controller is hidden from the network, against copying.",
    )
    identity_dropout: float = option(
        0.0,
        group=TRAINING,
        rule=between(0, 1),
        help="Share of the training examples whose characters and stage are unknown to the network, against learning "
        "games by heart.",
    )
    epochs: int = option(10, group=TRAINING, rule=at_least(1), help="Passes over the training games.")
    batch_size: int | None = option(
        None,
        group=TRAINING,
        rule=at_least(1),
        default_text="32 windows (temporal) or 1024 frames",
        help="Examples a step, of all ranks together: windows for a temporal backbone, single frames for others.",
    )
    lr: float = option(
        3e-3,
        group=TRAINING,
        rule=above(0, 10),
        default_text="0.003; 0.001 for sliding_window",
        help="Peak learning rate of AdamW.",
    )
    schedule: str = option(
        "cosine",
        group=TRAINING,
        rule=one_of("cosine", "constant"),
        help="Learning rate over the run: falling to a tenth along a cosine, or constant.",
    )
    warmup_steps: int = option(
        50, group=TRAINING, rule=at_least(0), unit="steps", help="Steps until the full learning rate."
    )
    weight_decay: float = option(
        0.01, group=TRAINING, rule=at_least(0), help="Weight decay of AdamW; never on biases and embeddings."
    )
    label_smoothing: float = option(
        0.0,
        group=TRAINING,
        rule=share(),
        help="Share of each target spread over all possible values; in training only, never in val_loss.",
    )
    button_weight: float = option(
        1.0,
        group=TRAINING,
        rule=above(0, 1000),
        help="Weight of the buttons' part of the training loss; val_loss is never weighted.",
    )
    accumulate: int = option(
        1, group=TRAINING, rule=at_least(1), unit="batches", help="Batches whose gradients make one step."
    )
    ema: float = option(
        0.0,
        group=TRAINING,
        rule=share(),
        help="Keep a moving average of the weights with this decay (say 0.999); it is what is validated and kept.",
    )
    precision: str = option(
        "fp32",
        group=TRAINING,
        rule=one_of("fp32", "bf16"),
        help="Number format of the forward pass in training; weights and validation stay fp32.",
    )
    compile: bool = option(
        False, group=TRAINING, help="Compile the model with torch.compile: slow to start, faster on a GPU."
    )
    grad_clip: float = option(
        1.0, group=TRAINING, rule=at_least(0), help="Largest norm of the gradient; 0 turns clipping off."
    )
    seed: int = option(
        0, group=TRAINING, rule=between(0, 2**63 - 1), help="Seed of weights, order and samples."
    )
    device: str = option("auto", group=TRAINING, rule=one_of("auto", "cpu", "cuda"), help="Where to train.")
    threads: int | None = option(
        None, group=TRAINING, rule=between(1, 1024), default_text="torch's own", help="CPU threads."
    )
    early_stopping: bool = option(
        False, group=TRAINING, help="Stop when val_loss has not improved for --patience epochs."
    )
    patience: int = option(
        5, group=TRAINING, rule=at_least(1), unit="epochs", help="How long --early-stopping waits."
    )
    min_delta: float = option(
        0.0,
        group=TRAINING,
        rule=at_least(0),
        unit="nats a frame",
        help="An epoch is better than the best one only if its val_loss is lower by more than this.",
    )
    max_steps: int | None = option(
        None,
        group=TRAINING,
        rule=at_least(1),
        default_text="no limit",
        unit="steps",
        help="Stop after so many.",
    )
    max_time: float | None = option(
        None,
        group=TRAINING,
        rule=positive(),
        default_text="no limit",
        parse=duration,
        help="Stop after so long, as in 90s, 30m or 2h; the current epoch is validated and kept.",
    )

    checkpoints: str = option("checkpoints", group=OUTPUT, help="Folder of models and their registry.")
    save_every: str | None = option(
        None,
        group=OUTPUT,
        rule=SAVE_RULE,
        default_text="each epoch's end only",
        help="Save the run's state so often besides: a number of steps, as in 500, or a time, as in 10m.",
    )
    keep_states: int = option(
        2, group=OUTPUT, rule=at_least(1), help="How many of the newest states of a run to keep."
    )
    naming: str = option("timestamp", group=OUTPUT, help="Naming scheme of the model's files.")
    bump: str = option(
        "minor",
        group=OUTPUT,
        rule=one_of("major", "minor"),
        help="Which part of the version --naming semver raises.",
    )
    tags: tuple[str, ...] = option(
        (),
        flag="tag",
        group=OUTPUT,
        rule=TAG_RULE,
        default_text="none",
        help="Tag the model; may be repeated.",
    )
    log_to: tuple[str, ...] = option(
        (),
        group=OUTPUT,
        default_text="none",
        help="Send metrics to this logger, too (`exphil plugins list --hook loggers`); may be repeated.",
    )
    log_options: dict[str, Any] = option(
        attrs.Factory(dict),
        flag="log-option",
        group=OUTPUT,
        default_text="the logger's own",
        help="A setting of a logger's own, as in wandb.project=melee; may be repeated.",
    )
