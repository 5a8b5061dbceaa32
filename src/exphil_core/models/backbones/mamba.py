"""Mamba-1 blocks with the parameter names, shapes and initialisation of `mamba_ssm.Mamba`.

Shapes: B batch, T frames, D layer width, E inner width, N states a channel, R rank of the step projection.
Scan and convolution run in a kernel of our own on the CPU, see `exphil_core.kernels`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exphil_core.builtin.backbone_options import MambaOptions
from exphil_core.kernels.scan import causal_convolution, has_kernel, kernel_takes, selective_scan
from exphil_core.kernels.step import kernel_step
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
        """Convolution inputs (B, d_conv - 1, E) and states (B, E, N)."""
        if torch.device(device).type == "cpu":
            has_kernel()  # its first use may have to build it: not in the middle of a game
        return (
            torch.zeros(batch, self.d_conv - 1, self.d_inner, device=device),
            torch.zeros(batch, self.d_inner, self.d_state, device=device),
        )

    def forward(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        past_BKE, states_BEN = state
        entering_BTE, gate_BTE = self.in_proj(x_BTD).chunk(2, dim=-1)
        bias_E = self.conv1d.bias
        assert bias_E is not None
        u_BTE = causal_convolution(entering_BTE, self.conv1d.weight[:, 0], bias_E, past_BKE)
        step_BTR, b_BTN, c_BTN = self.x_proj(u_BTE).split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        step_BTE = F.linear(step_BTR, self.dt_proj.weight)
        y_BTE, states_BEN = selective_scan(
            u_BTE,
            step_BTE,
            -torch.exp(self.A_log.float()),
            b_BTN,
            c_BTN,
            self.D,
            gate_BTE,
            self.dt_proj.bias,
            states_BEN,
        )
        seen_BKE = torch.cat([past_BKE, entering_BTE[:, -(self.d_conv - 1) :].to(past_BKE.dtype)], dim=1)
        return self.out_proj(y_BTE), (seen_BKE[:, seen_BKE.shape[1] - (self.d_conv - 1) :], states_BEN)

    def step(self, x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        """One call of the kernel for all between the two outer projections: 20 small operators otherwise."""
        if torch.is_grad_enabled() or not kernel_takes(x_BD):
            return super().step(x_BD, state)
        places = {name: weight.data_ptr() for name, weight in self.step_weights().items()}
        y_BE, after = kernel_step(places, self.dt_rank, self.in_proj(x_BD), *state)
        return self.out_proj(y_BE), after

    def step_weights(self) -> dict[str, Tensor]:
        """The weights between the two outer projections, by what native/step.h calls them."""
        bias_E = self.conv1d.bias
        assert bias_E is not None
        weights = {
            "filter": self.conv1d.weight,
            "filter_bias": bias_E,
            "projection": self.x_proj.weight,
            "step_weight": self.dt_proj.weight,
            "step_bias": self.dt_proj.bias,
            "A_log": self.A_log,
            "D": self.D,
        }
        return {name: weight.detach() for name, weight in weights.items()}


class Mamba(ResidualStack):
    """A Mamba block for each of `hidden_sizes`."""

    def __init__(
        self, input_size: int, hidden_sizes: Sequence[int], options: MambaOptions | None = None
    ) -> None:
        options = options or MambaOptions()
        super().__init__(input_size, [MambaMixer(width, options) for width in hidden_sizes])
