"""`exphil export MODEL --to npz`: a policy's weights for who works with numpy alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from exphil_core import ExporterSpec, hookimpl, option
from exphil_core.options import one_of

if TYPE_CHECKING:
    from exphil_core.exporting.exporter import ExportedModel

exphil_contract = 1


@attrs.frozen(kw_only=True)
class NpzOptions:
    """Each field can be set: `--option dtype=float16`."""

    dtype: str = option("float32", rule=one_of("float32", "float16"), help="What weights are stored as.")


@hookimpl
def exphil_exporters() -> list[ExporterSpec]:
    return [
        ExporterSpec(
            name="npz",
            factory="npz_weights:NpzExporter",
            options=NpzOptions,
            summary="Weights as numpy's .npz, and what the policy says of itself as JSON.",
        )
    ]


class NpzExporter:
    """Writes NAME.npz and NAME.json."""

    def __init__(self, options: NpzOptions) -> None:
        self._dtype = options.dtype

    def export(self, model: ExportedModel, folder: Path) -> Sequence[str]:
        import numpy as np

        weights = {name: tensor.numpy() for name, tensor in model.policy.state_dict().items()}
        floats = {name: array.astype(self._dtype) for name, array in weights.items()}
        np.savez(folder / f"{model.name}.npz", **floats)
        told = json.dumps(dict(model.description), indent=2, sort_keys=True)
        (folder / f"{model.name}.json").write_text(told, encoding="utf-8")
        return [f"read it with numpy.load('{model.name}.npz')"]
