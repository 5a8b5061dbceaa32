"""Mamba-1 blocks with the parameter names, shapes and initialisation of `mamba_ssm.Mamba`.

Shapes: B batch, T frames, D layer width, E inner width, N states a channel, R rank of the step projection.
The scan is a plain loop over frames on `unbind`: indexing `x[:, t]` inside the loop would make the backward pass
quadratic in T.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exphil_core.builtin.backbone_options import MambaOptions
from exphil_core.models.backbones.base import State
from exphil_core.models.backbones.residual import Mixer, ResidualStack

# Initial step sizes are spread over this range, as in mamba_ssm.
STEP_MIN, STEP_MAX, STEP_FLOOR = 1e-3, 1e-1, 1e-4


class MambaMixer(Mixer):
    """One selective state-space layer; its `state_dict` is that of `mamba_ssm.Mamba(d_model, …)`."""

    parts = 2

    def __init__(self, d_model: int, options: MambaOptions) -> None:
        super().__init__()
        self.width = d_model
        self.d_inner = options.expand * d_model
        self.d_state, self.d_conv = options.d_state, options.d_conv
        self.dt_rank = math.ceil(d_model / 16)
        self.in_proj = nn.Linear(d_model, 2 * self.d_inner, bias=False)
        self.conv1d = nn.Conv1d(
            self.d_inner, self.d_inner, self.d_conv, groups=self.d_inner, padding=self.d_conv - 1
        )
        self.x_proj = nn.Linear(self.d_inner, self.dt_rank + 2 * self.d_state, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, self.d_inner)
        states_EN = torch.arange(1, self.d_state + 1, dtype=torch.float32).repeat(self.d_inner, 1)
        self.A_log = nn.Parameter(states_EN.log())
        self.D = nn.Parameter(torch.ones(self.d_inner))
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=False)
        self._initialise_steps()

    def _initialise_steps(self) -> None:
        scale = self.dt_rank**-0.5
        nn.init.uniform_(self.dt_proj.weight, -scale, scale)
        log_min, log_max = math.log(STEP_MIN), math.log(STEP_MAX)
        steps_E = torch.exp(torch.rand(self.d_inner) * (log_max - log_min) + log_min).clamp(min=STEP_FLOOR)
        with torch.no_grad():
            # The bias whose softplus is the step.
            self.dt_proj.bias.copy_(steps_E + torch.log(-torch.expm1(-steps_E)))

    def initial_state(self, batch: int, device: torch.device | str) -> State:
        """Convolution inputs (B, E, d_conv - 1) and states (B, E, N)."""
        return (
            torch.zeros(batch, self.d_inner, self.d_conv - 1, device=device),
            torch.zeros(batch, self.d_inner, self.d_state, device=device),
        )

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        past_BEK, states_BEN = state
        u_BTE, gate_BTE = self.in_proj(x_BTD).chunk(2, dim=-1)
        seen_BET = torch.cat([past_BEK, u_BTE.transpose(1, 2)], dim=2)
        convolved_BET = F.conv1d(seen_BET, self.conv1d.weight, self.conv1d.bias, groups=self.d_inner)
        u_BTE = F.silu(convolved_BET.transpose(1, 2))
        step_BTR, b_BTN, c_BTN = self.x_proj(u_BTE).split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        step_BTE = F.softplus(self.dt_proj(step_BTR))
        y_BTE, states_BEN = selective_scan(u_BTE, step_BTE, self.A_log, b_BTN, c_BTN, states_BEN)
        y_BTE = (y_BTE + u_BTE * self.D) * F.silu(gate_BTE)
        kept = seen_BET.shape[2] - (self.d_conv - 1)
        return self.out_proj(y_BTE), (seen_BET[:, :, kept:], states_BEN)


def selective_scan(
    u_BTE: Tensor, step_BTE: Tensor, A_log: Tensor, b_BTN: Tensor, c_BTN: Tensor, states_BEN: Tensor
) -> tuple[Tensor, Tensor]:
    """h[t] = exp(step·A) h[t-1] + step·u·B and y[t] = h[t]·C, with A = -exp(A_log): outputs and last states."""
    decay_EN = -torch.exp(A_log.float())
    outputs = []
    frames = zip(u_BTE.unbind(1), step_BTE.unbind(1), b_BTN.unbind(1), c_BTN.unbind(1), strict=True)
    for u_BE, step_BE, b_BN, c_BN in frames:
        kept_BEN = torch.exp(step_BE[..., None] * decay_EN)
        states_BEN = kept_BEN * states_BEN + (step_BE * u_BE)[..., None] * b_BN[:, None]
        outputs.append((states_BEN * c_BN[:, None]).sum(-1))
    return torch.stack(outputs, dim=1), states_BEN


class Mamba(ResidualStack):
    """A Mamba block for each of `hidden_sizes`."""

    def __init__(
        self, input_size: int, hidden_sizes: Sequence[int], options: MambaOptions | None = None
    ) -> None:
        options = options or MambaOptions()
        super().__init__(input_size, [MambaMixer(width, options) for width in hidden_sizes])
