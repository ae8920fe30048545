"""The trained parser as an ONNX graph that takes its weights from ``parser.safetensors`` beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from answerspace.engines.bundled_config import BundledConfig
from answerspace.training.graphs import Builder, safetensors_places

WEIGHTS = "parser.safetensors"


class ParserBuilder(Builder):
    """The builder of the bundled graphs, pointed at the parser's weights."""

    def stored(self, name: str) -> str:
        """A tensor of the parser's weights file."""
        known = name in self.initializers
        made = super().stored(name)
        if not known:
            for entry in self.initializers[name].external_data:
                if entry.key == "location":
                    entry.value = WEIGHTS
        return made

    def mlp(self, x: str, name: str) -> str:
        """One linear map and a gelu."""
        return self.op("Gelu", self.linear(x, name))


def write_graph(folder: Path, layers: int) -> None:
    """Write ``parser.onnx``: word vectors and places in; tag scores, heads and relations out."""
    config = BundledConfig()
    g = ParserBuilder(config, safetensors_places(folder / WEIGHTS))
    length = g.op("Slice", g.op("Shape", "words"), g.constant([1], np.int64), g.constant([2], np.int64))
    zero = g.constant([0], np.int64)
    x = g.norm(g.op("Add", "words", g.op("Slice", g.weight("position"), zero, length, zero)), "norm")
    bias = g.bias("mask")
    for i in range(layers):
        x = g.block(x, f"blocks.{i}", g.keys(x, f"blocks.{i}"), g.values(x, f"blocks.{i}"), bias)
    last = g.constant([2], np.int64)
    width = g.constant([1, 1, config.dimension], np.int64)
    states = g.op("GatherElements", x, _expanded(g, "places", width, last), axis=1)
    g.op("Identity", g.linear(states, "tag"), output="tag_scores")
    child, head = g.mlp(states, "arc_child"), g.mlp(states, "arc_head")
    mapped = g.op("MatMul", child, g.op("Transpose", g.weight("arc_map.weight"), perm=[1, 0]))
    scores = g.op("MatMul", mapped, g.op("Transpose", head, perm=[0, 2, 1]))
    per_head = g.op("MatMul", head, g.op("Unsqueeze", g.weight("arc_map.bias"), g.constant([1], np.int64)))
    scores = g.op("Add", scores, g.op("Transpose", per_head, perm=[0, 2, 1]))
    hidden = g.op("Sub", g.constant(1.0, np.float32), g.op("Cast", "word_mask", to=TensorProto.FLOAT))
    hidden = g.op("Unsqueeze", g.op("Mul", hidden, g.constant(-1e9, np.float32)), g.constant([1], np.int64))
    heads = g.op("ArgMax", g.op("Add", scores, hidden), axis=2, keepdims=0, output="heads")
    child, head = g.mlp(states, "label_child"), g.mlp(states, "label_head")
    count = safetensors_places(folder / WEIGHTS)["label_head.weight"]["shape"][0]
    head = g.op("GatherElements", head, _expanded(g, heads, g.constant([1, 1, count], np.int64), last), axis=1)
    both = g.op("Concat", child, head, g.op("Mul", child, head), axis=2)
    g.op("ArgMax", g.linear(both, "label_both"), axis=2, keepdims=0, output="relations")
    inputs = [
        helper.make_tensor_value_info("words", TensorProto.FLOAT, ["B", "L", config.dimension]),
        *(
            helper.make_tensor_value_info(name, TensorProto.INT64, ["B", size])
            for name, size in (("mask", "L"), ("places", "W"), ("word_mask", "W"))
        ),
    ]
    outputs = [
        helper.make_tensor_value_info("tag_scores", TensorProto.FLOAT, ["B", "W", "T"]),
        helper.make_tensor_value_info("heads", TensorProto.INT64, ["B", "W"]),
        helper.make_tensor_value_info("relations", TensorProto.INT64, ["B", "W"]),
    ]
    onnx.save(g.model("parser", inputs, outputs), folder / "parser.onnx")


def _expanded(g: ParserBuilder, places: str, width: str, axis: str) -> Any:
    """(B, W) places -> (B, W, width) for GatherElements."""
    return g.op("Tile", g.op("Unsqueeze", places, axis), width)
