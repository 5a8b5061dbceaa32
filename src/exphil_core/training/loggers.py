"""Every logger of a run behind one object that nothing can raise from."""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import numpy as np
import torch

from exphil_core.config.loggers import HOOK
from exphil_core.errors import ExphilError
from exphil_core.plugin_manager import PluginManager, Registered
from exphil_core.training.learner import Learner
from exphil_core.training.logger import Logger, RunEnd, RunFacts

# Steps between two calls of `step`. Counted, not timed: a run that is repeated logs the same steps.
EVERY = 10


@attrs.define(kw_only=True, eq=False)
class _Named:
    """A logger, and whom to blame for it."""

    name: str
    distribution: str
    logger: Logger | None = None

    def make(self, manager: PluginManager, entry: Registered, values: Mapping[str, Any]) -> None:
        factory, options = manager.load(entry.spec.factory, entry.origin), entry.spec.options
        self.logger = factory() if options is None else factory(options(**values))

    def given(self, call: Callable[[Any], None]) -> Callable[[], None]:
        return lambda: call(self.logger)


@attrs.define(kw_only=True)
class _Interval:
    """What was trained since the last call of `step`."""

    loss: float = 0.0
    examples: int = 0
    seconds: float = 0.0


class Loggers:
    """Tells all loggers of a run what happens. One that raises is named in a warning and left alone from then on."""

    def __init__(self, warn: Callable[[str], None] = lambda text: None) -> None:
        self._warn = warn
        self._loggers: list[_Named] = []
        self._since = _Interval()

    def load(
        self, manager: PluginManager, names: Sequence[str], options: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Add the loggers called `names`; whichever can't be made is left out with a warning."""
        for name in names:
            entry = manager.get(HOOK, name)
            named = _Named(name=name, distribution=entry.origin.distribution)
            if self._done(named, partial(named.make, manager, entry, options.get(name, {}))):
                self._loggers.append(named)

    def start(self, run: RunFacts) -> None:
        """The run begins."""
        self._tell(lambda logger: logger.start(copy.deepcopy(run)))

    def trained(self, learner: Learner, epoch: int, loss: float, examples: int, seconds: float) -> None:
        """The learner has done a step; `loss` is the mean of its examples."""
        if not self._loggers:
            return
        since = self._since
        since.loss, since.examples = since.loss + loss * examples, since.examples + examples
        since.seconds += seconds
        if learner.steps % EVERY or not since.examples:
            return
        self._since = _Interval()
        metrics = {
            "step": learner.steps,
            "epoch": epoch,
            "train_loss": since.loss / since.examples,
            "lr": learner.rate(learner.steps - 1),
            "frames_per_second": round(since.examples / max(since.seconds, 1e-9), 1),
        }
        self._tell(lambda logger: logger.step(dict(metrics)))

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """An epoch was validated."""
        self._tell(lambda logger: logger.epoch(copy.deepcopy(dict(metrics))))

    def finish(self, end: RunEnd) -> None:
        """The run is over. A Ctrl-C while a logger takes its time means the logger: the run has ended already."""
        self._tell(lambda logger: logger.finish(copy.deepcopy(end)), let_go=True)

    def _tell(self, call: Callable[[Logger], None], let_go: bool = False) -> None:
        self._loggers = [named for named in self._loggers if self._done(named, named.given(call), let_go)]

    def _done(self, named: _Named, call: Callable[[], None], let_go: bool = False) -> bool:
        """Whether `call` came back. If not, the user is told once, in one line."""
        try:
            with _bits_kept():
                call()
        except BaseException as error:  # a library that ends the process must not end the run
            if isinstance(error, KeyboardInterrupt) and not let_go:
                raise
            kind = "" if isinstance(error, ExphilError) else f"{type(error).__name__}: "
            said = " ".join(f"{kind}{error}".split())
            with contextlib.suppress(OSError):
                self._warn(
                    f'warning: logger "{named.name}" of {named.distribution} is left out from here on: {said}'
                )
            return False
        return True


@contextlib.contextmanager
def _bits_kept() -> Iterator[None]:
    """What decides the bits of a run and is everybody's in a process: afterwards it is what it was."""
    mine, numpys, torchs = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cudas = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        random.setstate(mine)
        np.random.set_state(numpys)
        torch.set_rng_state(torchs)
        if cudas:
            torch.cuda.set_rng_state_all(cudas)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
