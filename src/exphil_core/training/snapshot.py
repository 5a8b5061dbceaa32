"""All that changes in a run, taken out of a trainer and put back: tensors by name, and a JSON record.

Tensors are called `weights.…`, `best.…`, `average.…` (by parameter), `moment1.…`, `moment2.…`, `updates.…` (AdamW's,
by parameter), `carried.N`, `lanes`, `random.cpu` and `random.cuda` (`random.cpu.R` of rank R).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from torch import Tensor

from exphil_core.training.learner import Learner
from exphil_core.training.loop import EpochUnderWay, Trainer
from exphil_core.training.outcome import EpochResult
from exphil_core.training.scattered import brought_together, deal_out

# AdamW's names for what it keeps of each parameter, and ours.
_MOMENTS = {"exp_avg": "moment1", "exp_avg_sq": "moment2", "step": "updates"}


def snapshot(trainer: Trainer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Copies of everything that `restore` needs to go on to the bit. Asked by all ranks, for rank 0."""
    learner, outcome = trainer.learner, trainer.outcome
    tensors = brought_together(learner)
    if not learner.team.leads:
        return {}, {}
    tensors |= _named("weights", learner.policy.state_dict())
    tensors |= _moments(learner)
    tensors |= _named("best", trainer.best_weights)
    tensors |= _named("average", learner.average.tensors if learner.average else {})
    record = {
        "steps": learner.steps,
        "averaged": learner.average.updates if learner.average else 0,
        "carried": len(learner.carried),
        "under_way": attrs.asdict(trainer.at),
        "elapsed": trainer.elapsed,
        "history": [result.as_json() for result in outcome.history],
        "best_epoch": outcome.best.epoch if outcome.best else None,
    }
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}, record


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _moments(learner: Learner) -> dict[str, Tensor]:
    found = {}
    for name, parameter in learner.policy.named_parameters():
        for theirs, ours in _MOMENTS.items():
            if theirs in learner.optimiser.state.get(parameter, {}):
                found[f"{ours}.{name}"] = learner.optimiser.state[parameter][theirs]
    return found


def restore(trainer: Trainer, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Put a fresh trainer of the same configuration where the snapshot was taken."""
    learner = trainer.learner
    learner.policy.load_state_dict(_below("weights", tensors))
    trainer.best_weights = _below("best", tensors)
    _restore_moments(learner, tensors)
    if learner.average is not None:
        learner.average.updates = record["averaged"]
        for name, tensor in _below("average", tensors).items():
            learner.average.tensors[name].copy_(tensor)
    learner.steps = record["steps"]
    trainer.at = EpochUnderWay(**record["under_way"])
    trainer.elapsed = trainer.elapsed_before = record["elapsed"]
    trainer.saved_at = (record["steps"], record["elapsed"])
    history = [EpochResult.from_json(line) for line in record["history"]]
    trainer.outcome.history[:] = history
    trainer.outcome.best = next((result for result in history if result.epoch == record["best_epoch"]), None)
    deal_out(learner, tensors, record["carried"])


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}."): tensor
        for name, tensor in tensors.items()
        if name.startswith(f"{prefix}.")
    }


def _restore_moments(learner: Learner, tensors: Mapping[str, Tensor]) -> None:
    for name, parameter in learner.policy.named_parameters():
        kept = {
            theirs: tensors[f"{ours}.{name}"]
            for theirs, ours in _MOMENTS.items()
            if f"{ours}.{name}" in tensors
        }
        if kept:
            # AdamW counts its updates on the CPU, wherever the weights are.
            learner.optimiser.state[parameter] = {
                theirs: tensor if theirs == "step" else tensor.to(parameter.device)
                for theirs, tensor in kept.items()
            }
