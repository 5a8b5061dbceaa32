"""How much memory a training step takes, measured on a step with a single lane."""

from __future__ import annotations

import torch
from torch import Tensor

from exphil_core.features.schema import ObservationSchema
from exphil_core.models.policy import Policy
from exphil_core.replays.controller import NEUTRAL


def activation_bytes(policy: Policy, schema: ObservationSchema, window: int, lanes: int) -> int:
    """Bytes that autograd keeps for the backward pass of a batch of `lanes` windows, parameters left out.

    Counted by running one lane; a step needs this much besides weights, gradients and the optimiser's moments.
    """
    device = policy.head.enter.weight.device
    kept: dict[int, int] = {}
    own = {parameter.untyped_storage().data_ptr() for parameter in policy.parameters()}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    floats = torch.zeros(1, window, schema.float_count, device=device)
    ids = torch.zeros(1, window, len(schema.ids), dtype=torch.long, device=device)
    cells = torch.from_numpy(NEUTRAL.copy()).long().expand(1, window, -1).to(device)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        # `loss` holds what was kept until the hooks have seen all of it.
        loss, _ = policy.loss(floats, ids, cells, cells, policy.initial_state(1))
    del loss
    return lanes * sum(kept.values())
