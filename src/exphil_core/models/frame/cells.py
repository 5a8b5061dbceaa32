"""A frame of the MLP, and of LSTM and GRU layers.

Shapes: B batch, H width of a layer, G = 4 H (LSTM) or 3 H (GRU) of its gates.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from exphil_core.models.backbones.base import State
from exphil_core.models.backbones.mlp import Mlp
from exphil_core.models.backbones.recurrent import RecurrentStack, weights_of
from exphil_core.models.frame.basics import Floats, Run, gelu_, linear, norm


def mlp_frame(backbone: Mlp) -> Run:
    """As `Mlp.step`, without dropout."""
    blocks = zip(backbone.layers[::3], backbone.layers[1::3], strict=True)
    layers = [(linear(enter), norm(normed)) for enter, normed in blocks]

    def run(x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        for enter, normed in layers:
            x_BD = gelu_(normed(enter(x_BD)))
        return x_BD, state

    return run


def recurrent_frame(backbone: RecurrentStack, cell: Callable[[nn.Module], Run]) -> Run:
    """As `RecurrentStack.step`, without dropout; `cell` makes a layer's run."""
    parts = backbone.parts
    layers = [
        (cell(layer), norm(normed)) for layer, normed in zip(backbone.layers, backbone.norms, strict=True)
    ]

    def run(x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        carried: State = ()
        for index, (layer, normed) in enumerate(layers):
            y_BH, after = layer(x_BD, state[parts * index : parts * (index + 1)])
            x_BD = normed(x_BD + y_BH if x_BD.shape[1] == y_BH.shape[1] else y_BH)
            carried += after
        return x_BD, carried

    return run


def lstm_cell(layer: nn.Module) -> Run:
    """As `torch.lstm_cell`."""
    of_input, of_output, input_bias, output_bias = (weight.detach() for weight in weights_of(layer))
    width = of_output.shape[1]
    bias: Floats = output_bias.numpy()

    def run(x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        output_BH, cell_BH = state
        gates_BG = F.linear(x_BD, of_input, input_bias).addmm_(output_BH, of_output.t())
        gates: Floats = gates_BG.numpy()
        gates += bias
        new_BH = gates_BG[:, 2 * width : 3 * width].tanh().numpy()
        opened: Floats = gates_BG.sigmoid_().numpy()
        kept_BH = cell_BH * gates_BG[:, width : 2 * width]
        kept: Floats = kept_BH.numpy()
        new_BH *= opened[:, :width]
        kept += new_BH
        y_BH = kept_BH.tanh().mul_(gates_BG[:, 3 * width :])
        return y_BH, (y_BH, kept_BH)

    return run


def gru_cell(layer: nn.Module) -> Run:
    """As `torch.gru_cell`."""
    of_input, of_output, input_bias, output_bias = (weight.detach() for weight in weights_of(layer))
    width = of_output.shape[1]

    def run(x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        (before_BH,) = state
        entering_BG = F.linear(x_BD, of_input, input_bias)
        kept_BG = F.linear(before_BH, of_output, output_bias)
        entering: Floats = entering_BG.numpy()
        kept: Floats = kept_BG.numpy()
        entering[:, : 2 * width] += kept[:, : 2 * width]
        # Reset and update gate; the third part stays what the state says about the new value.
        opened: Floats = entering_BG[:, : 2 * width].sigmoid().numpy()
        entering[:, 2 * width :] += opened[:, :width] * kept[:, 2 * width :]
        y_BH = entering_BG[:, 2 * width :].tanh()
        y: Floats = y_BH.numpy()
        y += opened[:, width:] * (before_BH.numpy() - y)
        return y_BH, (y_BH,)

    return run
