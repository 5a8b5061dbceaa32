"""What each rank holds for itself, brought together for a state and dealt out again: the states carried along its
lanes, and its random generators.

Carried states stand in a state by lane, whoever had them, so that any number of ranks can take them up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from safetensors.torch import load, save
from torch import Tensor

from exphil_core.training.learner import Learner
from exphil_core.training.sampling import is_part

LANES = "lanes"


def brought_together(learner: Learner) -> dict[str, Tensor]:
    """`carried.N` and `lanes` of all ranks by lane, `random.cpu` and `random.cuda` of rank 0, those of rank R with
    `.R` behind them. On rank 0 alone; asked by all."""
    mine = {f"carried.{index}": part for index, part in enumerate(learner.carried)}
    # Without a memory there is nothing to find a lane for.
    mine[LANES] = torch.from_numpy(learner.lanes if learner.carried else learner.lanes[:0])
    mine["random.cpu"] = torch.get_rng_state()
    if learner.device.type == "cuda":
        mine["random.cuda"] = torch.cuda.get_rng_state(learner.device)
    mine = {name: tensor.detach().cpu().contiguous() for name, tensor in mine.items()}
    if learner.team.world == 1:
        return mine
    return _merged([load(data) for data in learner.team.collected(save(mine))])


def _merged(ranks: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    if not ranks:
        return {}
    order = torch.argsort(torch.cat([each[LANES] for each in ranks]))
    merged: dict[str, Tensor] = {}
    for name in ranks[0]:
        if name.startswith("random."):
            merged |= {random_name(name, rank): each[name] for rank, each in enumerate(ranks)}
        else:
            merged[name] = torch.cat([each[name] for each in ranks])[order]
    return merged


def random_name(name: str, rank: int) -> str:
    """What a generator's state is called."""
    return name if rank == 0 else f"{name}.{rank}"


def deal_out(learner: Learner, tensors: Mapping[str, Tensor], carried: int) -> None:
    """Give the learner its lanes of the `carried` states in `tensors`, and put its random generators back."""
    lanes = tensors[LANES].numpy()
    ours = is_part(learner.team.part, lanes)
    learner.lanes = lanes[ours]
    learner.carried = tuple(
        tensors[f"carried.{index}"][torch.from_numpy(ours)].to(learner.device) for index in range(carried)
    )
    seed_rank(learner)
    name = random_name("random.cpu", learner.team.rank)
    if name in tensors:
        torch.set_rng_state(tensors[name])
    name = random_name("random.cuda", learner.team.rank)
    if learner.device.type == "cuda" and name in tensors:
        torch.cuda.set_rng_state(tensors[name], learner.device)


def seed_rank(learner: Learner) -> None:
    """Let each rank drop other outputs: those of rank 0 are as they would be alone."""
    if learner.team.rank:
        torch.manual_seed(
            (learner.config.seed + learner.steps + learner.team.rank * 0x9E3779B97F4A7C15) % 2**63
        )
