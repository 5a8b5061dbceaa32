"""The training loop: steps, epochs, validation, and the best weights so far.

It knows nothing of files and names; `exphil_core.training.run` does.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence

import attrs
import numpy as np
import torch

from exphil_core.config.save_every import SaveEvery
from exphil_core.config.schema import TrainConfig
from exphil_core.errors import ExphilError
from exphil_core.models.policy import Policy
from exphil_core.models.prior import ControllerPrior
from exphil_core.training.frames import FrameStore
from exphil_core.training.hiding import Hiding
from exphil_core.training.interrupts import StopRequest
from exphil_core.training.learner import Learner, NotFiniteError
from exphil_core.training.loggers import Loggers
from exphil_core.training.outcome import EpochResult, Outcome
from exphil_core.training.prefetch import ahead
from exphil_core.training.rates import collapse_warnings
from exphil_core.training.reporter import Reporter
from exphil_core.training.sampling import FrameSampler, Step, WindowSampler
from exphil_core.training.scattered import seed_rank
from exphil_core.training.team import ALONE, Part, Team
from exphil_core.training.validation import Validation, validate

# How often the progress line is refreshed, in seconds.
REFRESH = 0.2
# So many of a bad batch's games are named.
NAMED_GAMES = 8
# Share of the newest step in the shown loss.
SHOWN_LOSS_SHARE = 0.02


class Stopped(Exception):
    """Someone asked the run to end, and its step is done."""


def pick_device(name: str, team: Team = ALONE) -> torch.device:
    """`auto` is CUDA where there is one. Asking for CUDA in vain is an error, not a slow run. Each rank has a device
    of its own."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ExphilError("--device cuda: torch sees no CUDA device here; use --device cpu or auto")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    if team.world == 1:
        return torch.device("cuda")
    if team.local_rank >= torch.cuda.device_count():
        raise ExphilError(
            f"rank {team.rank} finds no CUDA device of its own ({torch.cuda.device_count()} on this machine): start "
            "fewer processes there (--nproc-per-node), or use --device cpu"
        )
    return torch.device("cuda", team.local_rank)


@attrs.define(kw_only=True)
class EpochUnderWay:
    """Where the epoch under way stands: what it takes to go on in its middle."""

    epoch: int = 1
    batches: int = 0
    losses: float = 0.0
    frames: int = 0
    seconds: float = 0.0


class Trainer:
    """Trains `policy` on `training`, validating on `held_out` after each epoch."""

    def __init__(
        self,
        config: TrainConfig,
        policy: Policy,
        training: FrameStore,
        held_out: FrameStore,
        prior: ControllerPrior,
        reporter: Reporter,
        stop: StopRequest | None = None,
        save: Callable[[Trainer], None] = lambda trainer: None,
        files: Sequence[str] = (),
        loggers: Loggers | None = None,
        clock: Callable[[], float] = time.monotonic,
        team: Team = ALONE,
    ) -> None:
        self.config, self.policy, self.prior = config, policy, prior
        self.held_out, self.reporter, self.clock, self.team = held_out, reporter, clock, team
        self.stop, self.save, self.files = stop or StopRequest(), save, files
        self.loggers = loggers or Loggers()
        self.save_every = SaveEvery.parse(config.save_every)
        self.device = next(policy.parameters()).device
        self.sampler = sampler_of(config, training, team.part)
        steps = config.epochs * -(-self.sampler.step_count(self._order(1)) // config.accumulate)
        total = min(steps, config.max_steps) if config.max_steps else steps
        self.learner = Learner(config, policy, total, team)
        seed_rank(self.learner)
        self.outcome = Outcome()
        self.at = EpochUnderWay()
        # Seconds of the whole run, and those of them before it was resumed, which count for no limit.
        self.elapsed = self.elapsed_before = 0.0
        self.saved_at = (0, 0.0)  # in steps and in seconds of the run
        self.unsaved = False  # whether the last try to save failed
        self.cut_short = False
        self.asked = False  # whether any rank was asked to stop, as far as all know
        self.best_weights: dict[str, torch.Tensor] = {}

    def run(self, finished: Callable[[EpochResult], None]) -> Outcome:
        """Train to the end, calling `finished` after each epoch, and leave the best epoch's weights in the policy.

        A request to stop, an interruption or a failure ends the run; the epochs that were validated stay.
        """
        outcome = self.outcome
        try:
            self._until_over(finished)
        except KeyboardInterrupt:
            outcome.stopped, outcome.interrupted = "interrupted", True
            self.team.leave("interrupted")
        except Exception as error:
            said = str(error) if isinstance(error, ExphilError) else f"{type(error).__name__}: {error}"
            outcome.stopped, outcome.failed, outcome.error = said, True, error
            # A loss that is no number is one on all ranks; whatever else it is, the others don't know of it.
            if not isinstance(error, NotFiniteError):
                self.team.leave("failed", said)
        self._quietly(self.reporter.finish)
        if self.best_weights:
            self.policy.load_state_dict(self.best_weights)
        return outcome

    def _until_over(self, finished: Callable[[EpochResult], None]) -> None:
        try:
            with self.stop.graceful():
                self.learner.level()
                while not self._over():
                    result = self._epoch()
                    self._told(result, finished)
                    if not self.cut_short:
                        self._save()
        except Stopped:
            self._save()
            self.outcome.stopped, self.outcome.interrupted = "interrupted", True
        except NotFiniteError:
            raise  # its weights are of no use; the state before is
        except Exception:
            # Out of memory, a defect: whatever it is, hours of training must not go with it. Of several ranks, the
            # others can't be asked any more for what they hold.
            if self.team.world == 1 and self.learner.steps > self.saved_at[0]:
                self._save()
            raise

    def _save(self) -> None:
        """Save the state. A full disk must not end the run: the next save may find space again."""
        self.saved_at = (self.learner.steps, self.elapsed)
        try:
            with self.stop.held():
                self.save(self)
        except OSError as error:
            said = f"warning: the state can't be saved ({error.strerror or error}); the run goes on and tries again"
            if not self.unsaved:
                self._quietly(lambda: self.reporter.line(said))
            self.unsaved = True
            return
        if self.unsaved:
            self._quietly(lambda: self.reporter.line("the state is saved again"))
        self.unsaved = False

    def _over(self) -> bool:
        """Whether the run has come to its end; says why if that is an early one."""
        if self.at.epoch > self.config.epochs:
            return True
        if self.at.batches:
            return False  # resumed in an epoch's middle, which is validated whatever limit has been reached
        self.outcome.stopped = self._limit_reached() or self._patience_lost()
        return bool(self.outcome.stopped)

    def _told(self, result: EpochResult, finished: Callable[[EpochResult], None]) -> None:
        """Write the epoch's metrics and tell the user; neither may end the run."""
        try:
            finished(result)
        except OSError as error:
            said = f"warning: metrics of epoch {result.epoch} can't be written: {error}"
            self._quietly(lambda: self.reporter.line(said))
        self._quietly(lambda: self.reporter.epoch(result.as_json()))
        self.loggers.epoch(result.as_json())
        for warning in collapse_warnings(result.validation):
            said_so = f"warning: epoch {result.epoch}: {warning}"
            self._quietly(lambda line=said_so: self.reporter.line(line))  # type: ignore[misc]

    @staticmethod
    def _quietly(tell: Callable[[], None]) -> None:
        # A terminal that is gone, or `| tee` that died.
        with contextlib.suppress(OSError):
            tell()

    def _limit_reached(self) -> str:
        if self.config.max_steps and self.learner.steps >= self.config.max_steps:
            return f"--max-steps {self.config.max_steps} reached"
        if self.config.max_time and self.elapsed - self.elapsed_before >= self.config.max_time:
            return f"--max-time {self.config.max_time:g}s reached"
        return ""

    def _patience_lost(self) -> str:
        waited, best = self.outcome.epochs_since_best(), self.outcome.best
        if not self.config.early_stopping or best is None or waited < self.config.patience:
            return ""
        return (
            f"no epoch in {waited} was better than epoch {best.epoch} (val_loss {best.validation.val_loss:.4f}) "
            f"by more than {self.config.min_delta:g}: --early-stopping --patience {self.config.patience}"
        )

    def _epoch(self) -> EpochResult:
        """What is left of the epoch under way, and its validation."""
        self._train_epoch()
        self._quietly(self.reporter.finish)
        began = self.clock()
        self.learner.level()
        with self.learner.shown() as policy:
            validation = validate(policy, self.held_out, self.prior, self.device, self._heed, self.team)
            if not math.isfinite(validation.val_loss):
                raise NotFiniteError(
                    f"val_loss is {validation.val_loss} after epoch {self.at.epoch}: try a smaller --lr"
                )
            result = self._result(validation)
            # Kept before anything else is done with it: a Ctrl-C from here on loses nothing.
            if self.outcome.improved(validation.val_loss, self.config.min_delta):
                self.outcome.best = result
                self.best_weights = {
                    name: tensor.detach().cpu().clone() for name, tensor in policy.state_dict().items()
                }
        self.outcome.history.append(result)
        self.elapsed += self._heard(self.clock() - began)
        self.at = EpochUnderWay(epoch=self.at.epoch + 1)
        return result

    def _result(self, validation: Validation) -> EpochResult:
        at = self.at
        return EpochResult(
            epoch=at.epoch,
            steps=self.learner.steps,
            frames=at.frames,
            train_loss=at.losses / max(at.frames, 1),
            lr=self.learner.rate(max(self.learner.steps - 1, 0)),
            seconds=round(at.seconds, 3),
            validation=validation,
        )

    def _train_epoch(self) -> None:
        self.policy.train()
        at, count = self.at, self.sampler.step_count(self._order(self.at.epoch))
        self._quietly(lambda: self.reporter.start(f"epoch {at.epoch}/{self.config.epochs}", count, "steps"))
        shown, shown_at = None, 0.0
        now = self.clock()
        if self._limit_reached():
            self.cut_short = True
            return
        for batches in self._batches():
            loss, examples = self._update(batches)
            at.batches += len(batches)
            at.losses, at.frames = at.losses + loss * examples, at.frames + examples
            before, now = now, self.clock()
            took = self._heard(now - before)
            at.seconds, self.elapsed = at.seconds + took, self.elapsed + took
            self.loggers.trained(self.learner, at.epoch, loss, examples, took)
            if examples:
                shown = loss if shown is None else shown + SHOWN_LOSS_SHARE * (loss - shown)
            if now - shown_at >= REFRESH:
                self._show(shown)
                shown_at = now
            if self.asked:
                raise Stopped
            if self._limit_reached():
                # The epoch is validated as it stands; a run that is resumed goes on in its middle.
                self._save()
                self.cut_short = True
                break
            if self.save_every.due(self.learner.steps - self.saved_at[0], self.elapsed - self.saved_at[1]):
                self._save()

    def _update(self, batches: list[Step]) -> tuple[float, int]:
        try:
            return self.learner.update(batches)
        except NotFiniteError as error:
            mine = np.unique(np.concatenate([step.game for step in batches])).tolist()
            games = sorted({game for part in self.team.heard(json.dumps(mine)) for game in json.loads(part)})
            named = [self.files[game] for game in games[:NAMED_GAMES]] if self.files else []
            more = f" and {len(games) - len(named)} more" if len(games) > len(named) else ""
            raise NotFiniteError(f"{error}; the batch came from {', '.join(named)}{more}") from None

    def _heard(self, seconds: float) -> float:
        """Rank 0's `seconds`, by which all ranks go, and whether any of them was asked to stop by now."""
        asked, theirs = self.team.sums([float(self.stop.asked), seconds if self.team.leads else 0.0])
        self.asked = asked > 0
        if self.asked:
            self.stop.note()
        return theirs

    def _heed(self) -> None:
        """End the run here if someone asked for it."""
        self._heard(0.0)
        if self.asked:
            raise Stopped

    def _show(self, loss: float | None) -> None:
        rate = self.at.frames / max(self.at.seconds, 1e-9)
        note = f"loss {loss:.3f}" if loss is not None else ""
        self._quietly(lambda: self.reporter.advance(self.at.batches, note, rate=rate, rate_unit="frames/s"))

    def _batches(self) -> Iterator[list[Step]]:
        """What is left of the epoch's batches, those of one step together."""
        plans = self.sampler.plans(self._order(self.at.epoch), self.at.batches)
        steps = ahead(plans, self.sampler.store)
        while group := list(itertools.islice(steps, self.config.accumulate)):
            yield group

    def _order(self, epoch: int) -> np.random.Generator:
        """What orders this epoch."""
        return np.random.default_rng([self.config.seed, epoch])


def sampler_of(
    config: TrainConfig, store: FrameStore, part: Part = ALONE.part
) -> WindowSampler | FrameSampler:
    """What cuts the batches of a run out of `store`, for one rank of a team."""
    assert config.batch_size is not None  # resolution filled it in
    hiding = Hiding(
        mask=config.mask_dropout, controller=config.controller_dropout, identity=config.identity_dropout
    )
    if config.temporal:
        return WindowSampler(
            store=store,
            lanes=config.batch_size,
            window=config.window_size,
            mirror=config.mirror,
            swap=config.swap_buttons,
            hiding=hiding,
            part=part,
        )
    return FrameSampler(
        store=store,
        size=config.batch_size,
        mirror=config.mirror,
        swap=config.swap_buttons,
        hiding=hiding,
        part=part,
    )
