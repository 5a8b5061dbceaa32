"""A frame of the MLP, and of LSTM and GRU layers.

Shapes: B batch, H width of a layer, G = 4 H (LSTM) or 3 H (GRU) of its gates.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from exphil_core.models.backbones.base import State
from exphil_core.models.backbones.mlp import Mlp
from exphil_core.models.backbones.recurrent import RecurrentStack, weights_of
from exphil_core.models.frame.basics import Change, Floats, Run, gelu_, linear, norm, times


def mlp_frame(backbone: Mlp) -> Run:
    """As `Mlp.step`, without dropout."""
    modules = list(backbone.layers)
    layers = [
        (linear(enter), norm(normed)) for enter, normed in zip(modules[::3], modules[1::3], strict=True)
    ]

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
    of_input, of_output, width = _maps(layer)

    def run(x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        output_BH, cell_BH = state
        gates_BG = of_input(x_BD)
        gates: Floats = gates_BG.numpy()
        gates += of_output(output_BH).numpy()
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
    of_input, of_output, width = _maps(layer)

    def run(x_BD: Tensor, state: State) -> tuple[Tensor, State]:
        (before_BH,) = state
        entering_BG = of_input(x_BD)
        entering: Floats = entering_BG.numpy()
        kept: Floats = of_output(before_BH).numpy()
        entering[:, : 2 * width] += kept[:, : 2 * width]
        # Reset and update gate; the third part stays what the state says about the new value.
        opened: Floats = entering_BG[:, : 2 * width].sigmoid().numpy()
        entering[:, 2 * width :] += opened[:, :width] * kept[:, 2 * width :]
        y_BH = entering_BG[:, 2 * width :].tanh()
        y: Floats = y_BH.numpy()
        y += opened[:, width:] * (before_BH.numpy() - y)
        return y_BH, (y_BH,)

    return run


def _maps(layer: nn.Module) -> tuple[Change, Change, int]:
    """A layer's maps of its input and of its last output to gates, and H."""
    of_input, of_output, input_bias, output_bias = (weight.detach() for weight in weights_of(layer))
    return times(of_input, input_bias), times(of_output, output_bias), of_output.shape[1]
