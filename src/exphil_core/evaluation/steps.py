"""Batches of a store with what the breakdown needs beside them: who plays whom where, and in what situation.

Shapes: B lanes, T frames, P = 2 fighters (own first).
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
import numpy.typing as npt

from exphil_core.evaluation.situations import situations
from exphil_core.training.frames import FrameStore
from exphil_core.training.prefetch import ahead
from exphil_core.training.samples import own_first
from exphil_core.training.sampling import Step, WindowPlan, validation_plans
from exphil_core.training.validation import LANES, WINDOW


@attrs.frozen(kw_only=True, eq=False)
class EvalStep(Step):
    """A step of an evaluation. What is said of a decision is said of the frame before it takes effect, whatever the
    reaction delay, so that models with other delays are judged on the same decisions in the same groups."""

    situation: npt.NDArray[np.uint8]  # (B, T), an index of SITUATIONS
    character: npt.NDArray[np.uint8]  # (B, T, P), internal ids
    stage: npt.NDArray[np.uint8]  # (B,), internal ids


@attrs.frozen(kw_only=True, eq=False)
class _EvalPlan:
    plan: WindowPlan

    def step(self, store: FrameStore) -> EvalStep:
        step, windows = self.plan.step(store), self.plan.windows
        rows = store.rows(windows, shift=store.delay)
        state = own_first(rows["state"], windows.fighter)
        action = own_first(rows["action"], windows.fighter)
        stage = store.table.stage[windows.game]
        lanes, width = action.shape[:2]
        found = situations(
            state.reshape(lanes * width, *state.shape[2:]),
            action.reshape(lanes * width, *action.shape[2:]),
            np.repeat(stage, width),
        )
        return EvalStep(
            **{field.name: getattr(step, field.name) for field in attrs.fields(Step)},
            situation=found.reshape(lanes, width),
            character=own_first(rows["character"], windows.fighter),
            stage=stage,
        )


def eval_steps(store: FrameStore) -> Iterator[EvalStep]:
    """Whole sides from their first row on, the longest first: the batches of validation, in its order."""
    plans = (_EvalPlan(plan=plan) for plan in validation_plans(store, LANES, WINDOW))
    for step in ahead(plans, store):
        assert isinstance(step, EvalStep)
        yield step
