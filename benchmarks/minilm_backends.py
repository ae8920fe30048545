"""all-MiniLM-L6-v2 on faster engines than torch: ONNX Runtime and OpenVINO, in float32 and 8 bits.

Sentence-transformers reaches these through Optimum, which does not install beside transformers 5. So the same network
is exported here, and its batches are made as sentence-transformers makes them: sorted by length, 32 texts, padded to
the longest, the mean of the token states, unit length.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoModel

Encode = Callable[[list[str]], np.ndarray]
Run = Callable[[np.ndarray, np.ndarray], np.ndarray]
LONGEST = 256  # tokens, as all-MiniLM-L6-v2 is configured
BATCH = 32


def backends(folder: str, work: Path) -> dict[str, Encode]:
    """Functions texts -> unit vectors by the engine's name. Files are written to ``work``."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    plain, small = work / "minilm.onnx", work / "minilm-int8.onnx"
    _export(folder, plain)
    quantize_dynamic(plain, small, weight_type=QuantType.QInt8, per_channel=True)
    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    tokenizer.enable_truncation(LONGEST)
    tokenizer.no_padding()
    runs = {
        "MiniLM, ONNX Runtime": _onnx_runtime(plain),
        "MiniLM, ONNX Runtime int8": _onnx_runtime(small),
        "MiniLM, OpenVINO": _openvino(plain),
    }
    return {name: _encoder(tokenizer, run) for name, run in runs.items()}


def _export(folder: str, path: Path) -> None:
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return self.model(input_ids=ids, attention_mask=mask).last_hidden_state

    ids = torch.ones(2, 8, dtype=torch.int64)
    sizes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens")}
    torch.onnx.export(
        States(),
        (ids, torch.ones_like(ids)),
        str(path),
        input_names=["ids", "mask"],
        output_names=["states"],
        dynamic_shapes={"ids": sizes, "mask": sizes},
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def _onnx_runtime(path: Path) -> Run:
    from onnxruntime import InferenceSession

    session = InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda ids, mask: session.run(["states"], {"ids": ids, "mask": mask})[0]


def _openvino(path: Path) -> Run:
    import openvino

    compiled = openvino.Core().compile_model(str(path), "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    request = compiled.create_infer_request()
    return lambda ids, mask: request.infer({"ids": ids, "mask": mask})[0]


def _encoder(tokenizer: Tokenizer, run: Run) -> Encode:
    def encode(texts: list[str]) -> np.ndarray:
        rows = [one.ids for one in tokenizer.encode_batch(texts)]
        order = np.argsort([-len(row) for row in rows], kind="stable")
        out = np.empty((len(rows), 384), np.float32)
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            longest = max(len(rows[i]) for i in chosen)
            mask = np.zeros((len(chosen), longest), np.int64)
            ids = np.zeros_like(mask)
            for row, i in enumerate(chosen):
                ids[row, : len(rows[i])] = rows[i]
                mask[row, : len(rows[i])] = 1
            states = run(ids, mask)
            mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
            out[chosen] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return out

    return encode
