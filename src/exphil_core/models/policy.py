"""A policy: observations in, the likelihood of the next controller out (or a controller drawn from it)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from exphil_core.errors import ExphilError
from exphil_core.features.schema import ObservationSchema
from exphil_core.kernels.scan import has_kernel
from exphil_core.models.backbones.base import Backbone, State
from exphil_core.models.embedding import Embedding
from exphil_core.models.frame.play import FrameOfPlay, frame_of_play
from exphil_core.models.head import AUTOREGRESSIVE, PolicyHead, Watch
from exphil_core.plugin_manager import PluginManager, load_plugins
from exphil_core.wording import one_line


@attrs.frozen(kw_only=True)
class PolicyShape:
    """Everything that decides which weights a policy has."""

    backbone: str
    hidden_sizes: tuple[int, ...]
    backbone_options: Mapping[str, Any]
    float_count: int
    ids: tuple[tuple[str, int, str], ...]
    head_width: int = 128
    head: str = AUTOREGRESSIVE


def policy_shape(
    backbone: str,
    hidden_sizes: Sequence[int],
    options: Mapping[str, Any],
    schema: ObservationSchema,
    head: str = AUTOREGRESSIVE,
) -> PolicyShape:
    """The shape of a policy on observations of `schema`."""
    return PolicyShape(
        backbone=backbone,
        hidden_sizes=tuple(hidden_sizes),
        backbone_options=dict(options),
        float_count=schema.float_count,
        ids=tuple((column.name, column.size, column.table) for column in schema.ids),
        head=head,
    )


class Policy(nn.Module):
    """Embedding, backbone and head. Shapes: B batch, T frames, O floats, I ids, 6 controller cells."""

    def __init__(self, shape: PolicyShape, backbone: Backbone, embedding: Embedding) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = embedding
        self.backbone = backbone
        self.head = PolicyHead(backbone.output_size, shape.head_width, shape.head)
        # What a policy file says of itself besides its shape; nothing of one that was never saved.
        self.description: Mapping[str, Any] = {}
        self._play: FrameOfPlay | None = None

    @classmethod
    def load(cls, path: str | Path, manager: PluginManager | None = None) -> Policy:
        """The policy in the file at `path` (`…_policy.safetensors`), ready to play; `description` says how.

        Plugins that are installed are found if no `manager` is given. Raises ExphilError, naming a plugin that the
        policy needs and that isn't installed.
        """
        from exphil_core.checkpoints.store import load_policy  # it builds on this module

        return load_policy(Path(path), manager or load_plugins())[0]

    def __getstate__(self) -> dict[str, Any]:
        """Without what was prepared for play: a copy prepares its own."""
        return {**self.__dict__, "_play": None}

    def initial_state(self, batch: int) -> State:
        """The state of `batch` games that just started."""
        device = self.head.enter.weight.device
        if not self.training and device.type == "cpu":
            has_kernel()  # its first use may have to build it: not in the middle of a game
        return self.backbone.initial_state(batch, device)

    def loss(
        self,
        floats: Tensor,
        ids: Tensor,
        decided: Tensor,
        target: Tensor,
        state: State,
        *,
        smoothing: float = 0.0,
        watch: Watch | None = None,
    ) -> tuple[Tensor, State]:
        """Nats (B, T, 6) of each part of the controllers `target` (B, T, 6), and the state after the last frame.

        `decided` (B, T, 6) are the controllers decided just before; `floats` (B, T, O); `ids` (B, T, I). See
        `PolicyHead.loss` for `smoothing` and `watch`.
        """
        y_BTH, state = self.backbone(self.embedding(floats, ids), state)
        parts_n6 = self.head.loss(
            y_BTH.flatten(0, 1),
            target.flatten(0, 1),
            decided.flatten(0, 1),
            smoothing=smoothing,
            watch=watch,
        )
        return parts_n6.view(*target.shape), state

    @torch.no_grad()
    def act(
        self,
        floats: Tensor,
        ids: Tensor,
        decided: Tensor,
        state: State,
        *,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, State]:
        """One frame of play: controllers (B, 6) for floats (B, O), ids (B, I), last decided controllers (B, 6)."""
        y_BH, state = self.frame(floats, ids, state)
        return self.head.sample(y_BH, decided, temperature=temperature, generator=generator), state

    @torch.no_grad()
    def frame(self, floats: Tensor, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Outputs (B, H) of embedding and backbone for one frame, and the state after it."""
        if self.training or floats.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return self.backbone.step(self.embedding(floats, ids), state)
        if self._play is None or not self._play.is_current():
            self._play = frame_of_play(self.embedding, self.backbone)
        return self._play(floats, ids, state)


def build_policy(manager: PluginManager, shape: PolicyShape) -> Policy:
    """A policy with fresh weights from torch's current random state."""
    entry = manager.get("exphil_backbones", shape.backbone)
    factory = manager.load(entry.spec.factory, entry.origin)
    options = entry.spec.options(**shape.backbone_options) if entry.spec.options else None
    embedding = Embedding(shape.float_count, shape.ids, shape.hidden_sizes[0])
    who = f"plugin {entry.origin.distribution}: backbone {shape.backbone}"
    try:
        backbone: Backbone = factory(embedding.output_size, shape.hidden_sizes, options)
    except Exception as error:
        said = one_line(f"{type(error).__name__}: {error}")
        raise ExphilError(f"{who} can't be built ({said})") from error
    if not isinstance(backbone, nn.Module) or type(getattr(backbone, "output_size", None)) is not int:
        raise ExphilError(f"{who} is no backbone: it must be an nn.Module with a whole number `output_size`")
    return Policy(shape, backbone, embedding)


# Weights that policies trained with earlier versions lack. Zeros, which add nothing, make them what they were.
LATER_WEIGHTS = ("head.each_button.weight", "head.each_button.bias")


def completed(policy: Policy, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A policy's `tensors` with those that its version didn't have yet, as `policy.load_state_dict` takes them."""
    own = policy.state_dict()
    return {name: torch.zeros_like(own[name]) for name in LATER_WEIGHTS} | dict(tensors)


def parameter_count(module: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(parameter.numel() for parameter in module.parameters())
