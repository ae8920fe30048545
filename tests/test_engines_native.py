"""Our own 8-bit kernels beside torch in float32, on a small random network of a shape they are written for."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_bundled import tiny_bundled

from answerspace import Embedder, InputError
from answerspace.answers import Asking
from answerspace.backbones.bundled import CONFIG, load_bundled
from answerspace.engines.bundled_config import BundledConfig
from answerspace.engines.bundled_network import BundledNetwork
from answerspace.engines.native import SHARE, even_shares, fits, native_problem, quantized_rows
from answerspace.errors import InternalError
from answerspace.training.graphs import write_graphs

SHAPE = BundledConfig(
    layers=2, dimension=64, heads=2, intermediate=128, vocabulary=80, positions=300, text_length=290
)  # fmt: skip
QUESTIONS = ["what colour is the cat?", "which animal runs here?"]
TEXTS = [
    "the red cat is here.",
    "a dog",
    "",
    "the blue bird runs. " * 9,
    "green " * 280,
    "a horse",
    "the red cat is here.",
]
needs_kernels = pytest.mark.skipif(native_problem() is not None, reason=f"needs {native_problem()}")


def folder(scratch: Path) -> Path:
    """A random bundled model of ``SHAPE``, with the tiny model's words."""
    torch.manual_seed(0)
    config = replace(SHAPE, vocabulary=json.loads((tiny_bundled() / CONFIG).read_text())["network"]["vocabulary"])
    network = BundledNetwork(config)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "norm" not in name and parameter.dim() > 1:
                parameter.mul_(4)  # so that states differ clearly from text to text
    save_file(
        {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()},
        scratch / "model.safetensors",
    )
    write_graphs(scratch, config)
    shutil.copyfile(tiny_bundled() / "tokenizer.json", scratch / "tokenizer.json")
    (scratch / CONFIG).write_text(json.dumps({"kind": "bundled", "version": 1, "network": config.to_dict()}))
    return scratch


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("native"))


def vectors(path: Path, engine: str, texts: list[str], **options: int) -> np.ndarray:
    """(q, n, d) unit vectors."""
    return Embedder(load_bundled(path, engine=engine, **options)).encode(texts, QUESTIONS)


@needs_kernels
def test_vectors_are_near_those_of_float32(model: Path) -> None:
    """Eight bits a row of 64 random numbers: an error of about 1 / 127 / sqrt(12) of the largest, per product."""
    cosine = (vectors(model, "native", TEXTS) * vectors(model, "torch", TEXTS)).sum(-1)
    assert cosine.min() > 0.995


@needs_kernels
def test_every_layer_and_the_pooled_vector_are_near_float32(model: Path) -> None:
    backbones = [load_bundled(model, engine=engine) for engine in ("native", "torch")]
    ours, torchs = (Embedder(backbone) for backbone in backbones)
    for layer in range(SHAPE.layers + 1):
        one, other = (e.encode(TEXTS, QUESTIONS, layer=layer) for e in (ours, torchs))
        assert ((one * other).sum(-1)).min() > 0.995
    assert (ours.encode(TEXTS, None) * torchs.encode(TEXTS, None)).sum(-1).min() > 0.995


@needs_kernels
def test_a_text_has_the_same_vector_in_every_batch_to_the_last_bit(model: Path) -> None:
    """Scales are found row by row and padding is never computed."""
    embedder = Embedder(load_bundled(model, engine="native"))
    together = embedder.encode(TEXTS, QUESTIONS, batch_size=7)
    np.testing.assert_array_equal(together, embedder.encode(TEXTS, QUESTIONS, batch_size=2))
    alone = np.stack([embedder.encode([text], QUESTIONS)[:, 0] for text in TEXTS], 1)
    np.testing.assert_array_equal(together, alone)


@needs_kernels
def test_slots_alone_are_the_slots_of_all_states_to_the_last_bit(model: Path) -> None:
    """What is left out for speed (other positions of the last block, the reader's last block) changes no number."""
    backbone = load_bundled(model, engine="native")
    for questions in ([QUESTIONS[0]] * len(TEXTS), (QUESTIONS * 4)[: len(TEXTS)]):
        for read in (backbone.read(TEXTS), backbone.read_to_ask(TEXTS)):
            every = backbone.ask(read, questions, Asking(prompt_states=True))
            slots = backbone.ask(read, questions, Asking(prompt_states=False))
            assert slots.states.shape[1] == SHAPE.slots < every.states.shape[1]
            np.testing.assert_array_equal(slots.states.reshape(-1, SHAPE.dimension), every.states[every.slot_mask])
            assert slots.answers == every.answers
            np.testing.assert_array_equal(slots.predicted.ravel(), every.predicted[every.slot_mask])


@needs_kernels
def test_a_text_read_to_be_asked_has_no_embedding_of_its_own(model: Path) -> None:
    backbone = load_bundled(model, engine="native")
    with pytest.raises(InternalError, match="read_to_ask"):
        backbone.embed(backbone.read_to_ask(TEXTS))


@needs_kernels
def test_memory_is_used_again_only_when_nobody_holds_what_is_in_it(model: Path) -> None:
    backbone = load_bundled(model, engine="native")
    first = backbone.read_to_ask(TEXTS)
    kept = {name: array.copy() for name, array in first.pairs.items()}
    second = backbone.read_to_ask(TEXTS[::-1])
    for name, array in first.pairs.items():
        np.testing.assert_array_equal(array, kept[name])
    held = second.pairs["key_1"][2:]
    place = first.pairs["key_0"].ctypes.data
    del first, second, array
    assert place == backbone.read_to_ask(TEXTS).pairs["key_0"].ctypes.data
    np.testing.assert_array_equal(held, backbone.read_to_ask(TEXTS[::-1]).pairs["key_1"][2:])


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("lengths", [[10] * 32, [5], [300, 2, 2, 2], [128] * 32, [1, 1, 500], list(range(1, 40))])
def test_shares_cover_all_texts_and_no_thread_waits_long(lengths: list[int], threads: int) -> None:
    shares = even_shares(np.array(lengths), threads)
    assert [i for begin, end in shares for i in range(begin, end)] == list(range(len(lengths)))
    tokens = [sum(lengths[begin:end]) for begin, end in shares]
    assert max(tokens) <= SHARE + max(lengths)
    assert max(tokens) - min(tokens) <= 2 * max(lengths)


@needs_kernels
def test_threads_change_nothing(model: Path) -> None:
    many = [f"{text} {i % 7}" for i, text in enumerate(TEXTS * 12)]
    np.testing.assert_array_equal(vectors(model, "native", many, threads=1), vectors(model, "native", many, threads=3))


@needs_kernels
def test_a_reading_of_another_engine_can_be_asked(model: Path) -> None:
    """Keys and values have the same form everywhere: half precision, keys transposed."""
    native, onnx = (load_bundled(model, engine=engine) for engine in ("native", "onnx"))
    read = onnx.read(TEXTS)
    masks = read.text_mask[:, None, None, :].astype(bool)
    for i in range(SHAPE.layers):
        ours = native.read(TEXTS)
        difference = np.abs(ours.pairs[f"key_{i}"].astype(np.float32) - read.pairs[f"key_{i}"])[
            np.broadcast_to(masks, read.pairs[f"key_{i}"].shape)
        ]
        assert difference.max() < 0.1 * np.abs(read.pairs[f"key_{i}"]).max()


@needs_kernels
def test_auto_takes_the_kernels_where_they_fit(model: Path) -> None:
    assert load_bundled(model).engine == "native"
    assert load_bundled(tiny_bundled()).engine == "onnx"


@needs_kernels
def test_a_network_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match="heads of 32"):
        load_bundled(tiny_bundled(), engine="native")


def test_which_shapes_fit() -> None:
    assert fits(BundledConfig())
    assert not fits(replace(BundledConfig(), heads=6))
    assert not fits(replace(BundledConfig(), intermediate=1500))


def test_weights_are_rounded_by_row() -> None:
    """The largest number of a row becomes 127; a row of zeros stays zeros."""
    integers, scale = quantized_rows(np.array([[1.27, -0.635, 0.0], [0.0, 0.0, 0.0]], np.float32))
    np.testing.assert_array_equal(integers, [[127, -64, 0], [0, 0, 0]])
    np.testing.assert_allclose(scale[0], 0.01)
