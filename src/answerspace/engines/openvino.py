"""Runs a graph with OpenVINO on the processor; needs the openvino extra."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openvino


class OpenvinoEngine:
    """One ONNX graph file (or an OpenVINO model in memory), compiled for one call at a time."""

    def __init__(self, model: Path | openvino.Model, threads: int = 0, precision: str | None = None) -> None:
        settings: dict[str, object] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        if precision:
            settings["INFERENCE_PRECISION_HINT"] = precision
        self._model = openvino.Core().compile_model(str(model) if isinstance(model, Path) else model, "CPU", settings)
        self._request = self._model.create_infer_request()
        self._outputs = [output.get_any_name() for output in self._model.outputs]

    def run(self, inputs: Mapping[str, np.ndarray], outputs: list[str] | None = None) -> dict[str, np.ndarray]:
        """Named arrays in, named arrays out: all outputs, or the ones asked for."""
        found = self._request.infer(dict(inputs))
        return {name: np.array(found[name]) for name in outputs or self._outputs}
