"""Built-in exporters."""

from __future__ import annotations

from exphil_core import ExporterSpec, hookimpl
from exphil_core.builtin.export_options import OnnxOptions, UmiOptions

exphil_contract = 1


@hookimpl
def exphil_exporters() -> list[ExporterSpec]:
    return [
        ExporterSpec(
            name="umi",
            factory="exphil_core.exporting.umi:UmiExporter",
            options=UmiOptions,
            archive=True,
            summary="A bot for the Computer Melee Championship (UMI): a folder and zip that run by themselves.",
        ),
        ExporterSpec(
            name="onnx",
            factory="exphil_core.exporting.onnx:OnnxExporter",
            options=OnnxOptions,
            needs=("onnx", "onnxscript", "onnxruntime"),
            install="exphil-core[onnx]",
            summary="One frame of the policy as an ONNX graph, with an example that needs no ExPhil.",
        ),
    ]
