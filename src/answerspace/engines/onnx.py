"""Runs a graph with ONNX Runtime on the processor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime


class OnnxEngine:
    """One ONNX graph file. ``threads`` 0 leaves the number to the runtime (one a core)."""

    def __init__(self, path: Path, threads: int = 0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Two sessions take turns, often beside other thread pools; threads that spin while others work slow them down.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, np.ndarray], outputs: list[str] | None = None) -> dict[str, np.ndarray]:
        """Named arrays in, named arrays out: all outputs, or the ones asked for."""
        names = outputs or self._outputs
        return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))
