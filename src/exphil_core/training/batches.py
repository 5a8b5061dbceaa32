"""Batches as tensors on the device that trains."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from exphil_core.models.backbones.base import State, detach_state, reset_state, select_state
from exphil_core.models.policy import Policy
from exphil_core.training.encoding import Batch
from exphil_core.training.sampling import Step


@attrs.frozen(kw_only=True, eq=False)
class TensorBatch:
    """A `Batch` as tensors: ids, decided and target as int64, which embeddings and gathers want."""

    floats: Tensor
    ids: Tensor
    decided: Tensor
    target: Tensor
    counts: Tensor
    weight: Tensor


def to_tensors(batch: Batch, device: torch.device) -> TensorBatch:
    """Copy `batch` to `device`."""
    return TensorBatch(
        floats=torch.from_numpy(batch.observation.floats).to(device),
        ids=torch.from_numpy(batch.observation.ids).to(device),
        decided=torch.from_numpy(batch.decided).to(device).long(),
        target=torch.from_numpy(batch.target).to(device).long(),
        counts=torch.from_numpy(batch.counts).to(device),
        weight=torch.from_numpy(batch.weight).to(device),
    )


def carried_state(policy: Policy, state: State, step: Step, device: torch.device) -> State:
    """The state that `step` starts from: lanes that go on keep theirs (without its graph), others begin anew."""
    if step.fresh.all():
        return policy.initial_state(len(step.fresh))
    lanes = torch.from_numpy(step.kept).to(device)
    return reset_state(detach_state(select_state(state, lanes)), torch.from_numpy(step.fresh).to(device))
