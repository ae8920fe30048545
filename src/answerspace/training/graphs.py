"""The bundled network as three ONNX graphs that take their weights straight out of ``model.safetensors``.

    read.onnx   text ids, mask                    -> the asker's keys and values of the text, the pooled text vector
    ask.onnx    keys, values, question ids, masks -> the states after each layer
    head.onnx   projected states                  -> scores over the vocabulary

Only standard operators, so any runtime can take them. The weights file is half precision; the casts and transposes
of weights stand in the graph and are folded when a session is made.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from answerspace.engines.bundled_config import BundledConfig

OPSET = 20
WEIGHTS = "model.safetensors"


def write_graphs(folder: Path, config: BundledConfig) -> None:
    """Write the graphs beside the folder's weights file."""
    places = safetensors_places(folder / WEIGHTS)
    for name, graph in (("read", read_graph), ("ask", ask_graph), ("head", head_graph)):
        onnx.save(graph(config, places), folder / f"{name}.onnx")


def safetensors_places(path: Path) -> dict[str, dict[str, Any]]:
    """name -> dtype, shape, offset in the file and length, from the file's own header."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    return {
        name: {
            "dtype": entry["dtype"],
            "shape": entry["shape"],
            "offset": 8 + size + entry["data_offsets"][0],
            "length": entry["data_offsets"][1] - entry["data_offsets"][0],
        }
        for name, entry in header.items()
    }


class Builder:
    """Collects nodes; every method returns the name of what it made."""

    def __init__(self, config: BundledConfig, places: dict[str, dict[str, Any]]) -> None:
        self.config = config
        self.places = places
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.count = 0

    def op(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add one node."""
        self.count += 1
        name = output or f"{kind}_{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=f"{kind}_{self.count}", **attributes))
        return name

    def constant(self, value: Any, dtype: Any) -> str:
        """A small constant, stored in the graph itself."""
        array = np.asarray(value, dtype)
        name = f"constant_{array.dtype}_{'_'.join(map(str, array.ravel()))}_{array.ndim}"
        self.initializers.setdefault(name, numpy_helper.from_array(array, name))
        return name

    def stored(self, name: str) -> str:
        """A tensor of the weights file, in half precision."""
        if name not in self.initializers:
            place = self.places[name]
            tensor = TensorProto(name=name, data_type=TensorProto.FLOAT16, dims=place["shape"])
            tensor.data_location = TensorProto.EXTERNAL
            for key in ("offset", "length"):
                tensor.external_data.add(key=key, value=str(place[key]))
            tensor.external_data.add(key="location", value=WEIGHTS)
            self.initializers[name] = tensor
        return name

    def weight(self, name: str) -> str:
        """A tensor of the weights file in single precision."""
        return self.op("Cast", self.stored(name), to=TensorProto.FLOAT)

    def linear(self, x: str, name: str) -> str:
        """x times the weights, plus the bias."""
        product = self.op("MatMul", x, self.op("Transpose", self.weight(f"{name}.weight"), perm=[1, 0]))
        return self.op("Add", product, self.weight(f"{name}.bias"))

    def norm(self, x: str, name: str) -> str:
        """Layer normalisation."""
        weight, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.op("LayerNormalization", x, weight, bias, axis=-1, epsilon=self.config.norm_eps)

    def embeddings(self, ids: str, token_type: int) -> str:
        """Word, position and type vectors of (B, T) ids, summed and normalised."""
        words = self.op("Cast", self.op("Gather", self.stored("embeddings.word.weight"), ids), to=TensorProto.FLOAT)
        length = self.op("Slice", self.op("Shape", ids), self.constant([1], np.int64), self.constant([2], np.int64))
        positions = self.op(
            "Slice", self.weight("embeddings.position.weight"), self.constant([0], np.int64), length,
            self.constant([0], np.int64),
        )  # fmt: skip
        kinds = self.op("Gather", self.weight("embeddings.token_type.weight"), self.constant(token_type, np.int64))
        return self.norm(self.op("Add", self.op("Add", words, positions), kinds), "embeddings.norm")

    def bias(self, mask: str) -> str:
        """(B, L) int64 mask -> (B, 1, 1, L) to be added to attention scores."""
        hidden = self.op("Sub", self.constant(1.0, np.float32), self.op("Cast", mask, to=TensorProto.FLOAT))
        scaled = self.op("Mul", hidden, self.constant(-1e9, np.float32))
        return self.op("Unsqueeze", scaled, self.constant([1, 2], np.int64))

    def split(self, x: str, perm: list[int]) -> str:
        """(B, T, D) -> heads apart, axes in the order of ``perm`` over (batch, time, head, width)."""
        shape = self.constant([0, 0, self.config.heads, self.config.dimension // self.config.heads], np.int64)
        return self.op("Transpose", self.op("Reshape", x, shape), perm=perm)

    def keys(self, x: str, name: str) -> str:
        """(B, T, D) -> (B, heads, width, T): transposed already, as attention wants them."""
        return self.split(self.linear(x, f"{name}.key"), [0, 2, 3, 1])

    def values(self, x: str, name: str) -> str:
        """(B, T, D) -> (B, heads, T, width)."""
        return self.split(self.linear(x, f"{name}.value"), [0, 2, 1, 3])

    def block(self, x: str, name: str, key: str, value: str, bias: str) -> str:
        """One post-norm transformer block over given keys and values."""
        scale = float(self.config.dimension // self.config.heads) ** -0.5
        query = self.op(
            "Mul", self.split(self.linear(x, f"{name}.query"), [0, 2, 1, 3]), self.constant(scale, np.float32)
        )
        weights = self.op("Softmax", self.op("Add", self.op("MatMul", query, key), bias), axis=-1)
        found = self.op("Transpose", self.op("MatMul", weights, value), perm=[0, 2, 1, 3])
        found = self.op("Reshape", found, self.constant([0, 0, self.config.dimension], np.int64))
        x = self.norm(self.op("Add", x, self.linear(found, f"{name}.out")), f"{name}.attention_norm")
        inner = self.op("Gelu", self.linear(x, f"{name}.up"))
        return self.norm(self.op("Add", x, self.linear(inner, f"{name}.down")), f"{name}.output_norm")

    def model(self, name: str, inputs: list[Any], outputs: list[Any]) -> onnx.ModelProto:
        """The finished model."""
        graph = helper.make_graph(self.nodes, name, inputs, outputs, list(self.initializers.values()))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def read_graph(config: BundledConfig, places: dict[str, dict[str, Any]]) -> onnx.ModelProto:
    """Text ids and mask -> keys and values a layer for the asker (half precision), and the mean text state."""
    g = Builder(config, places)
    bias = g.bias("mask")
    x = g.embeddings("ids", 0)
    outputs = []
    for i in range(config.layers):
        for kind, made in (("key", g.keys(x, f"asker.{i}")), ("value", g.values(x, f"asker.{i}"))):
            g.op("Cast", made, to=TensorProto.FLOAT16, output=f"{kind}_{i}")
            outputs.append(_pair_info(config, f"{kind}_{i}"))
        x = g.block(x, f"reader.{i}", g.keys(x, f"reader.{i}"), g.values(x, f"reader.{i}"), bias)
    weights = g.op("Unsqueeze", g.op("Cast", "mask", to=TensorProto.FLOAT), g.constant([2], np.int64))
    axis = g.constant([1], np.int64)
    total = g.op("ReduceSum", g.op("Mul", x, weights), axis, keepdims=0)
    g.op("Div", total, g.op("ReduceSum", weights, axis, keepdims=0), output="pooled")
    outputs.append(helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["B", config.dimension]))
    return g.model("read", [_ids("ids", "L"), _ids("mask", "L")], outputs)


def ask_graph(config: BundledConfig, places: dict[str, dict[str, Any]]) -> onnx.ModelProto:
    """What ``read`` gave, question ids and masks -> ``states_0`` ... ``states_{layers}``, the last one projected."""
    g = Builder(config, places)
    bias = g.bias(g.op("Concat", "text_mask", "mask", axis=1))
    x = g.embeddings("ids", 1)
    g.op("Identity", x, output="states_0")
    for i in range(config.layers):
        text_key = g.op("Cast", f"key_{i}", to=TensorProto.FLOAT)
        text_value = g.op("Cast", f"value_{i}", to=TensorProto.FLOAT)
        key = g.op("Concat", text_key, g.keys(x, f"asker.{i}"), axis=3)
        value = g.op("Concat", text_value, g.values(x, f"asker.{i}"), axis=2)
        x = g.block(x, f"asker.{i}", key, value, bias)
        if i < config.layers - 1:
            g.op("Identity", x, output=f"states_{i + 1}")
    g.op("Identity", g.linear(x, "projection"), output=f"states_{config.layers}")
    inputs = [_ids("text_mask", "L"), _ids("ids", "T"), _ids("mask", "T")]
    inputs += [_pair_info(config, f"{kind}_{i}") for i in range(config.layers) for kind in ("key", "value")]
    outputs = [
        helper.make_tensor_value_info(f"states_{i}", TensorProto.FLOAT, ["B", "T", config.dimension])
        for i in range(config.layers + 1)
    ]
    return g.model("ask", inputs, outputs)


def head_graph(config: BundledConfig, places: dict[str, dict[str, Any]]) -> onnx.ModelProto:
    """Projected states (K, D) -> ``scores`` (K, V)."""
    g = Builder(config, places)
    x = g.norm(g.op("Gelu", g.linear("states", "head.dense")), "head.norm")
    words = g.op("Transpose", g.weight("embeddings.word.weight"), perm=[1, 0])
    g.op("Add", g.op("MatMul", x, words), g.weight("head.bias"), output="scores")
    given = helper.make_tensor_value_info("states", TensorProto.FLOAT, ["K", config.dimension])
    made = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["K", config.vocabulary])
    return g.model("head", [given], [made])


def _ids(name: str, length: str) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.INT64, ["B", length])


def _pair_info(config: BundledConfig, name: str) -> Any:
    width = config.dimension // config.heads
    shape = [width, "L"] if name.startswith("key") else ["L", width]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT16, ["B", config.heads, *shape])
