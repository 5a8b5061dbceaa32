"""One frame of a policy as an ONNX graph, what its inputs and outputs mean, and an example that plays it."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import torch

from exphil_core.builtin.export_options import OnnxOptions
from exphil_core.checkpoints.atomic import json_text
from exphil_core.errors import ExphilError, UsageError
from exphil_core.exporting.exporter import ExportedModel
from exphil_core.exporting.onnx_graph import OneFrame, example, input_names, output_names, state_names
from exphil_core.exporting.umi import bot_name
from exphil_core.features.columns import IdColumn
from exphil_core.features.schema import ABSENT_ACTION, observation_schema
from exphil_core.kernels.library import without_kernel
from exphil_core.melee.controller import BUTTONS
from exphil_core.models.backbones.base import State
from exphil_core.models.policy import Policy
from exphil_core.replays.controller import AXIS_VALUES, CELL_COUNTS, NEUTRAL, PARTS, SHOULDER_VALUES

# Raised when policy.json changes its meaning.
FORMAT = 1
# Beyond this the graph isn't the policy; what rounding makes lies 100 times lower.
TOLERANCE = 1e-4
_FRAMES, _GAMES = 4, 3


class OnnxExporter:
    """Writes policy.onnx, policy.json and play.py."""

    def __init__(self, options: OnnxOptions) -> None:
        self._options = options

    def export(self, model: ExportedModel, folder: Path) -> Sequence[str]:
        """See `Exporter`."""
        _check_opset(self._options.opset)
        policy, graph = model.policy.cpu().eval(), folder / "policy.onnx"
        with without_kernel(), torch.no_grad(), _quietly():
            write_graph(policy, graph, self._options.opset)
            off_by = difference(policy, graph)
        if not off_by <= TOLERANCE:
            raise ExphilError(
                f"the graph of {model.name} differs from the policy by {off_by:.2g}: backbone "
                f"{policy.shape.backbone} can't be written as ONNX"
            )
        about = description(model, self._options.opset)
        (folder / "policy.json").write_text(json_text(about), encoding="utf-8")
        (folder / "play.py").write_text(play_program(model.name), encoding="utf-8")
        return [
            f"over {_FRAMES} frames it differs from the policy by {off_by:.1g} at most",
            "try it, with numpy and onnxruntime alone: python play.py",
        ]


def play_program(model: str) -> str:
    """The example that plays the graph of `model`: in a program its name is letters and digits, whatever it was."""
    template = resources.files("exphil_core.exporting").joinpath("templates").joinpath("onnx_play.py.tmpl")
    return Template(template.read_text(encoding="utf-8")).substitute(name=bot_name(model))


def _check_opset(opset: int) -> None:
    """Raise UsageError for a version that the onnx installed here doesn't know."""
    import onnx

    newest = onnx.defs.onnx_opset_version()
    if opset > newest:
        raise UsageError(
            f"--option opset: {opset} is newer than onnx {onnx.__version__} knows, which is {newest}"
        )


def write_graph(policy: Policy, path: Path, opset: int) -> None:
    """Write one frame of `policy` to `path`, for any number of games. ExphilError where torch can't."""
    state, games = policy.initial_state(2), torch.export.Dim("games")
    shapes: list[Any] = [{0: games}, {0: games}, {0: games}, {0: games}, None]
    if state:
        shapes.append(tuple({0: games} for _ in state))
    try:
        program = torch.onnx.export(
            OneFrame(policy).eval(),
            example(policy, 2),
            dynamo=True,
            dynamic_shapes=tuple(shapes),
            input_names=input_names(state),
            output_names=output_names(state),
            opset_version=opset,
            verbose=False,
        )
    except Exception as error:
        said = " ".join(str(error.__cause__ or error).split())[:200]
        raise ExphilError(f"backbone {policy.shape.backbone} can't be written as ONNX: {said}") from error
    assert program is not None
    program.save(path)


def difference(policy: Policy, path: Path) -> float:
    """The largest difference between the graph's outputs and the policy's own, relative to values beyond 1, while
    the state is carried over a few frames of random observations."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise ExphilError(
            f"onnxruntime {onnxruntime.__version__} can't run the graph, try --option opset=18: {said}"
        ) from error
    generator, worst = torch.Generator().manual_seed(0), 0.0
    one, shape = OneFrame(policy), policy.shape
    ours: State = policy.initial_state(_GAMES)
    theirs, names = [part.numpy() for part in ours], input_names(ours)
    outputs = 1 + len(PARTS)
    for _ in range(_FRAMES):
        arguments = (
            torch.randn(_GAMES, shape.float_count, generator=generator),
            torch.stack([torch.randint(n, (_GAMES,), generator=generator) for _, n, _ in shape.ids], dim=1),
            torch.from_numpy(np.tile(NEUTRAL, (_GAMES, 1)).astype(np.int64)),
            torch.rand(_GAMES, len(PARTS), generator=generator),
            torch.tensor(1.0),
        )
        expected = one(*arguments, *ours)
        values = (*(argument.numpy() for argument in arguments), *theirs)
        got = session.run(None, dict(zip(names, values, strict=True)))
        for have, want in zip(got, expected, strict=True):
            bound = want.abs().clamp(min=1.0).numpy()
            worst = max(worst, float(np.max(np.abs(have - want.numpy()) / bound, initial=0.0)))
        ours, theirs = expected[outputs:], got[outputs:]
    return worst


def description(model: ExportedModel, opset: int) -> dict[str, Any]:
    """What somebody needs who has the graph and nothing else: policy.json."""
    state, told = model.policy.initial_state(1), model.description
    says = {column.name: column.says for column in observation_schema().ids}
    unknown = {column.name: _unknown(column) for column in observation_schema().ids}
    return {
        "format": FORMAT,
        "model": model.name,
        "opset": opset,
        "delay": told["delay"],
        "characters": [told["character"]] if told.get("character") else told.get("characters", []),
        "inputs": {
            "floats": "float32 (games, floats): each column's value in its unit, times its scale",
            "ids": "int64 (games, ids)",
            "decided": "int64 (games, 6): the controllers that the last frame gave; neutral at a game's start",
            "uniform": "float32 (games, 6): random numbers from 0 up to 1",
            "temperature": "float32 (): 1 as it learned, 0 the likeliest value of each part",
        },
        "outputs": {
            "cells": "int64 (games, 6): the controllers decided, to be pressed 1 + delay frames later",
            **{f"logits_{part}": f"float32 (games, {n})" for part, n in zip(PARTS, CELL_COUNTS, strict=True)},
        },
        "state": [
            {"before": before, "after": after, "shape": ["games", *part.shape[1:]], "at the start": 0}
            for before, after, part in zip(
                state_names(state, "before"), state_names(state, "after"), state, strict=True
            )
        ],
        "floats": [
            {key: column[key] for key in ("name", "unit", "scale")}
            for column in told["observation"]["columns"]
        ],
        "ids": [
            {
                "name": column["name"],
                "size": column["size"],
                "says": says.get(column["name"], ""),
                "unknown": unknown.get(column["name"], 0),
            }
            for column in told["observation"]["ids"]
        ],
        "features": told["observation"]["features"],
        "controller": {
            "parts": list(PARTS),
            "buttons": list(BUTTONS),
            "stick": [round(float(value), 6) for value in AXIS_VALUES],
            "shoulder": [round(float(value), 6) for value in SHOULDER_VALUES],
            "neutral": NEUTRAL.tolist(),
        },
    }


def _unknown(column: IdColumn) -> int:
    return ABSENT_ACTION if column.name.endswith("partner_action") else column.unknown


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """torch's exporter talks about what it lacks and what it will do without one day."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
