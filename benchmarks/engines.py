"""How fast each engine reads, and how near it stays to float32: the measurements behind the engine's choice.

    python benchmarks/engines.py [--texts 256] [--tokens 128] [--rounds 5] [--output benchmarks/results]

Every candidate reads the same random token ids in batches of 32; rounds go through all candidates in turn, so a
machine that slows down slows them all. Speeds are texts/s, and ratios to torch float32 of the same round. Closeness is
the least cosine of an asked vector (mean of the answer slots) to torch float32 over all texts, for real questions.
``native``: our kernels. int8: ``dynamic`` quantises weights per channel and activations per tensor while running;
``blocks`` keeps weights in 8 bits by blocks of 32 (MatMulNBits) and quantises activations by block; OpenVINO's is
NNCF's post-training scheme.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from measuring import CLOCKS

from answerspace import Embedder
from answerspace.backbones.bundled import BundledBackbone, bundled_folder, load_bundled
from answerspace.engines.onnx import OnnxEngine

QUESTIONS = ["What is being reviewed?", "How does the writer feel?", "Where did it happen?"]
BATCH = 32


def folded(source: Path, target: Path) -> Path:
    """The graph with its weights inside, in float32: what quantisers take."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    return target


def dynamic_int8(source: Path, target: Path, keep: str = "") -> Path:
    """ONNX Runtime's dynamic int8; matrix products whose weights are ``keep`` wide inside stay in float32."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(source)
    shapes = {t.name: tuple(t.dims) for t in model.graph.initializer}
    spared = [
        n.name for n in model.graph.node if n.op_type == "MatMul" and keep and shapes.get(n.input[1]) == (1536, 384)
    ]
    quantize_dynamic(
        source, target, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8,
        nodes_to_exclude=spared,
    )  # fmt: skip
    return target


def blocks_int8(source: Path, target: Path) -> Path:
    """Eight-bit weights in blocks of 32 with integer arithmetic."""
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    made = MatMulNBitsQuantizer(onnx.load(source), bits=8, block_size=32, is_symmetric=True, accuracy_level=4)
    made.process()
    made.model.save_model_to_file(str(target))
    return target


def candidates(work: Path) -> dict[str, Callable[[], Any]]:
    """name -> a function that makes (reader, asker)."""
    base = bundled_folder()
    made: dict[str, Callable[[], Any]] = {}

    def pair(engine: str) -> Any:
        backbone = load_bundled(engine=engine)
        return backbone._reader, backbone._asker

    made["torch fp32"] = lambda: pair("torch")
    made["onnx fp32"] = lambda: pair("onnx")
    made["native int8"] = lambda: pair("native")
    shutil.copyfile(base / "model.safetensors", work / "model.safetensors")  # the word vectors stay outside
    plain = {name: folded(base / f"{name}.onnx", work / f"{name}-fp32.onnx") for name in ("read", "ask")}
    for label, make in (
        ("onnx int8 dynamic", dynamic_int8),
        ("onnx int8 dynamic, down kept", lambda s, t: dynamic_int8(s, t, keep="down")),
        ("onnx int8 blocks", blocks_int8),
    ):
        files = {name: make(path, work / f"{name}-{label.replace(' ', '-')}.onnx") for name, path in plain.items()}
        made[label] = lambda files=files: (OnnxEngine(files["read"]), OnnxEngine(files["ask"]))
    try:
        from answerspace.engines.openvino import OpenvinoEngine
    except ImportError:
        return made

    def openvino(precision: str) -> Any:
        if precision == "bf16" and not _has_bf16():  # emulated, a batch of 32 had not ended after 100 s
            raise RuntimeError("not run: this processor has no bf16 instructions and emulates them")
        return tuple(OpenvinoEngine(base / f"{name}.onnx", precision=precision) for name in ("read", "ask"))

    made["openvino fp32"] = lambda: openvino("f32")
    made["openvino bf16"] = lambda: openvino("bf16")
    made["openvino int8"] = lambda: (
        _openvino_int8(base, plain["read"]),
        OpenvinoEngine(base / "ask.onnx", precision="f32"),
    )
    return made


def _has_bf16() -> bool:
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _openvino_int8(base: Path, folded_reader: Path) -> Any:
    """OpenVINO with NNCF's post-training int8 of the reader, calibrated on the demo reviews.

    From the folded graph: behind a cast and a transpose OpenVINO does not see the weights and computes in float32.
    """
    import nncf
    import openvino

    from answerspace.engines.openvino import OpenvinoEngine

    backbone = load_bundled()
    reviews = (base.parent / "demo" / "reviews.csv").read_text("utf-8").splitlines()[200:328]
    batches = []
    for i in range(0, len(reviews), 16):
        ids, mask = backbone._padded([[101, *found[:126], 102] for found in backbone._ids(reviews[i : i + 16])])
        batches.append({"ids": ids, "mask": mask})
    model = openvino.Core().read_model(str(folded_reader))
    made = nncf.quantize(model, nncf.Dataset(batches), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(batches))
    return OpenvinoEngine(made, precision="f32")


def asked_vectors(backbone: BundledBackbone, texts: list[str]) -> np.ndarray:
    """(q, n, d) unit vectors."""
    return Embedder(backbone).encode(texts, QUESTIONS)


def main() -> None:
    """Measure all candidates and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    ids = rng.integers(1996, 20000, (options.texts, options.tokens))
    ids[:, 0], ids[:, -1] = 101, 102
    mask = np.ones_like(ids)
    reviews = (bundled_folder().parent / "demo" / "reviews.csv").read_text("utf-8").splitlines()[1:121]
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        engines: dict[str, Any] = {}
        for name, make in candidates(Path(folder)).items():
            try:
                engines[name] = make()
            except Exception as error:  # a runtime that cannot take the graph is a result too
                rows[name] = {"failed": str(error).splitlines()[0][:160]}
        speeds: dict[str, list[float]] = {name: [] for name in engines}
        for round_ in range(options.rounds + 1):
            for name, (reader, _) in engines.items():
                start = CLOCKS[options.clock]()
                for i in range(0, len(ids), BATCH):
                    reader.run({"ids": ids[i : i + BATCH], "mask": mask[i : i + BATCH]})
                if round_:
                    speeds[name].append(len(ids) / (CLOCKS[options.clock]() - start))
        reference = asked_vectors(load_bundled(engine="torch"), reviews)
        for name, (reader, asker) in engines.items():
            parts = {"read": reader, "ask": asker}
            shipped = load_bundled()
            backbone = BundledBackbone(shipped.folder, shipped.config, parts.__getitem__, engine=name)
            cosine = (asked_vectors(backbone, reviews) * reference).sum(-1)
            ratio = np.array(speeds[name]) / np.array(speeds["torch fp32"])
            rows[name] = {
                "texts_per_s": round(float(np.median(speeds[name])), 1),
                "ratio": [round(float(f(ratio)), 2) for f in (np.min, np.median, np.max)],
                "least_cosine": round(float(cosine.min()), 4),
                "mean_cosine": round(float(cosine.mean()), 4),
            }
    write(rows, options)


def write(rows: dict[str, dict[str, Any]], options: argparse.Namespace) -> None:
    """The table as Markdown and JSON, and on standard output."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    lines = [
        f"Reading {options.texts} texts of {options.tokens} tokens, batches of {BATCH}, {options.rounds} rounds, "
        f"{options.clock} clock; "
        f"{cpu}, torch {torch.__version__} ({torch.get_num_threads()} threads), "
        f"onnxruntime {onnxruntime.__version__}.",
        "",
        "| engine | texts/s | to torch fp32: median (min - max) | least cosine | mean cosine |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        if "failed" in row:
            lines.append(f"| {name} | {row['failed']} | | | |")
            continue
        low, middle, high = row["ratio"]
        cells = f"{row['texts_per_s']} | {middle} ({low} - {high}) | {row['least_cosine']} | {row['mean_cosine']}"
        lines.append(f"| {name} | {cells} |")
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "engines.md").write_text("\n".join(lines) + "\n", "utf-8")
    (options.output / "engines.json").write_text(json.dumps({"cpu": cpu, "rows": rows}, indent=1) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
