"""Runs the bundled network in 8-bit integers with our own kernels (native.c), on processors with AVX-512 VNNI.

The C file is compiled once with the machine's own compiler and kept in the user's cache folder; where there is no
compiler or no such processor, ``native_problem`` says so and the ONNX engine is used instead. Padding is never
computed: texts go in as rows of tokens behind one another, in shares of about SHARE tokens, one thread each at a time.
"""

from __future__ import annotations

import ctypes
import hashlib
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from answerspace.engines.bundled_config import BundledConfig
from answerspace.errors import InputError, InternalError
from answerspace.protocols import Engine

FLAGS = ("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni", "fma", "f16c")
COMPILE = ("-O2", "-shared", "-fPIC", *(f"-m{flag.replace('_', '')}" for flag in FLAGS))
HEAD_WIDTH = 32
SHARE = 256
ROOMS = 4  # keys and values of the batch that is read and of the one before, which its caller still has in hand


class _Linear(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("weight", "scale", "column", "bias")] + [
        (name, ctypes.c_int64) for name in ("k", "n")
    ]


class _Block(ctypes.Structure):
    _fields_ = [(name, _Linear) for name in ("first", "out", "up", "down")] + [
        (name, ctypes.c_void_p) for name in ("attention_weight", "attention_bias", "output_weight", "output_bias")
    ]


class _Network(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("word", "position", "norm_weight", "norm_bias")),
        ("blocks", ctypes.POINTER(_Block)),
        ("projection", ctypes.POINTER(_Linear)),
        *((name, ctypes.c_int64) for name in ("layers", "dimension", "heads", "inner")),
        ("eps", ctypes.c_float),
    ]


# --- the library -----------------------------------------------------------------------------------------------------


@cache
def native_problem() -> str | None:
    """Why the kernels cannot run on this machine, None when they can. Compiles them if that was not done before."""
    info = Path("/proc/cpuinfo")
    known = set(info.read_text().split()) if info.exists() else set()
    lacking = [flag for flag in FLAGS if flag not in known]
    if lacking:
        return f"a processor with AVX-512 VNNI under Linux (no {lacking[0]} here)"
    try:
        _library()
    except (OSError, subprocess.SubprocessError) as error:
        return f"a C compiler ({str(error).splitlines()[0][:120]})"
    return None


@cache
def _library() -> ctypes.CDLL:
    """The compiled kernels, from the cache folder or compiled now. Raises OSError or SubprocessError."""
    source = files("answerspace") / "engines" / "native.c"
    text = source.read_bytes()
    print_ = hashlib.blake2b(text + repr(COMPILE).encode(), digest_size=8).hexdigest()
    target = Path.home() / ".cache" / "answerspace" / f"native-{print_}.so"
    if not target.is_file():
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise OSError("none of cc, gcc, clang found")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            code, made = Path(folder) / "native.c", Path(folder) / "native.so"
            code.write_bytes(text)
            subprocess.run([compiler, *COMPILE, "-o", made, code, "-lm"], check=True, capture_output=True, timeout=600)
            os.replace(made, target)  # two processes may do this at once: either's file will do
    return ctypes.CDLL(str(target))


# --- the weights -----------------------------------------------------------------------------------------------------


def fits(config: BundledConfig) -> bool:
    """Whether the kernels are written for a network of this shape."""
    wide = config.dimension % 64 == 0 and config.intermediate % 64 == 0
    return wide and config.dimension == config.heads * HEAD_WIDTH


class NativeWeights:
    """The weights of a folder as the kernels want them: int8 with one scale a column, packed by 64 columns."""

    def __init__(self, weights: Path, config: BundledConfig) -> None:
        if not fits(config):
            raise InputError(
                f"engine 'native' needs heads of {HEAD_WIDTH} numbers and widths that are multiples of 64. "
                f"Got {config.heads} heads over {config.dimension}; use engine='onnx'."
            )
        self.config = config
        self._kept: list[Any] = []  # what the structures point at
        stored = load_file(weights)
        self.reader = self._network(stored, "reader", token_type=0)
        self.asker = self._network(stored, "asker", token_type=1)

    def _network(self, stored: Mapping[str, np.ndarray], side: str, token_type: int) -> _Network:
        c = self.config
        blocks = (_Block * c.layers)()
        for i in range(c.layers):
            first = [f"{side}.{i}.{name}" for name in ("query", "key", "value")]
            if side == "reader":
                first += [f"asker.{i}.{name}" for name in ("key", "value")]
            blocks[i].first = self._linear(stored, *first)
            for name in ("out", "up", "down"):
                setattr(blocks[i], name, self._linear(stored, f"{side}.{i}.{name}"))
            for name in ("attention", "output"):
                for kind in ("weight", "bias"):
                    place = self._floats(stored[f"{side}.{i}.{name}_norm.{kind}"])
                    setattr(blocks[i], f"{name}_{kind}", place)
        position = stored["embeddings.position.weight"].astype(np.float32)
        position = position + stored["embeddings.token_type.weight"][token_type].astype(np.float32)
        network = _Network(
            word=self._pointer(np.ascontiguousarray(stored["embeddings.word.weight"], np.float16)),
            position=self._floats(position),
            norm_weight=self._floats(stored["embeddings.norm.weight"]),
            norm_bias=self._floats(stored["embeddings.norm.bias"]),
            blocks=blocks,
            layers=c.layers,
            dimension=c.dimension,
            heads=c.heads,
            inner=c.intermediate,
            eps=c.norm_eps,
        )
        if side == "asker":
            network.projection = ctypes.pointer(self._linear(stored, "projection"))
        self._kept.append(blocks)
        return network

    def _linear(self, stored: Mapping[str, np.ndarray], *names: str) -> _Linear:
        """One map, or several over the same input side by side."""
        weight = np.concatenate([stored[f"{name}.weight"] for name in names]).astype(np.float32)  # (n, k)
        integers, scale = quantized_rows(weight)
        n, k = weight.shape
        packed = integers.reshape(n // 64, 64, k // 4, 4).transpose(0, 2, 1, 3)
        return _Linear(
            weight=self._pointer(_aligned(packed)),
            scale=self._floats(scale),
            column=self._floats(scale * integers.sum(1, dtype=np.int64)),
            bias=self._floats(np.concatenate([stored[f"{name}.bias"] for name in names])),
            k=k,
            n=n,
        )

    def _floats(self, array: np.ndarray) -> int:
        return self._pointer(np.ascontiguousarray(array, np.float32))

    def _pointer(self, array: np.ndarray) -> int:
        self._kept.append(array)
        return array.ctypes.data


def quantized_rows(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, k) -> int8 of the same shape and the scale (n) of each row: weight = scale * integers, rounded."""
    scale = np.maximum(np.abs(weight).max(1), 1e-12) / 127
    return np.rint(weight / scale[:, None]).astype(np.int8), scale.astype(np.float32)


def _aligned(array: np.ndarray) -> np.ndarray:
    """A contiguous copy of int8 that begins at a multiple of 64 bytes."""
    room = np.empty(array.size + 64, np.int8)
    start = -room.ctypes.data % 64
    room[start : start + array.size] = array.ravel()
    return room[start : start + array.size]


# --- the engines -----------------------------------------------------------------------------------------------------


def _references(blocks: list[np.ndarray]) -> list[int]:
    """How many references each has, those of the list and of the counting among them; views count as one each."""
    return [sys.getrefcount(block) for block in blocks]


UNHELD = _references([np.empty(0)])[0]  # measured, because Python's versions count differently


class _Room:
    """Arrays whose memory is used again once nobody holds them: the kernel's new pages took 4 % of a call."""

    def __init__(self) -> None:
        self._blocks: list[np.ndarray] = []
        self._lock = threading.Lock()

    def take(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> np.ndarray:
        """An array as ``np.empty`` makes it."""
        count = math.prod(shape) * np.dtype(dtype).itemsize
        with self._lock:
            unheld = [many <= UNHELD for many in _references(self._blocks)]
            free = [i for i, block in enumerate(self._blocks) if unheld[i] and len(block) >= count]
            block = min((self._blocks[i] for i in free), key=len, default=None)
            if block is None:
                block = np.empty(count, np.uint8)
                self._blocks = [*self._blocks[1 - ROOMS :], block]
            return block[:count].view(dtype).reshape(shape)


class NativeReader:
    """``read.onnx`` with our kernels, with the same names."""

    def __init__(self, weights: NativeWeights, threads: int = 0) -> None:
        self.weights = weights
        self.threads = threads or os.cpu_count() or 1
        self._room = _Room()

    def run(self, inputs: Mapping[str, np.ndarray], outputs: list[str] | None = None) -> dict[str, np.ndarray]:
        """Named arrays in, named arrays out. ``mask`` must be ones, then zeros, in every row.

        Outputs without "pooled" take a sixth less: the last block serves nothing else. Such arrays are asked and
        forgotten, so their memory is used again.
        """
        c = self.weights.config
        ids, mask = inputs["ids"], inputs["mask"].astype(bool)
        lengths = mask.sum(1, dtype=np.int64)
        wide = ids.shape[1]
        pooled = outputs is None or "pooled" in outputs
        pairs = np.empty if pooled else self._room.take
        made = {"pooled": np.empty((len(ids), c.dimension), np.float32)} if pooled else {}
        keys = pairs((c.layers, len(ids), c.heads, HEAD_WIDTH, wide), np.float16)
        values = pairs((c.layers, len(ids), c.heads, wide, HEAD_WIDTH), np.float16)
        for i in range(c.layers):
            made |= {f"key_{i}": keys[i], f"value_{i}": values[i]}
        packed = np.ascontiguousarray(ids[mask], np.int64)
        places = np.broadcast_to(np.arange(wide), ids.shape)[mask]
        ends = np.concatenate([[0], np.cumsum(lengths)])

        def share(begin: int, end: int) -> None:
            some = slice(int(ends[begin]), int(ends[end]))
            _call(
                "read_texts",
                ctypes.byref(self.weights.reader),
                ctypes.c_int64(end - begin),
                _place(lengths[begin:end]),
                _place(packed[some]),
                _place(places[some]),
                ctypes.c_int64(wide),
                _places([made[f"key_{i}"][begin:end] for i in range(c.layers)]),
                _places([made[f"value_{i}"][begin:end] for i in range(c.layers)]),
                _place(made["pooled"][begin:end]) if "pooled" in made else None,
            )

        _shared(share, lengths, self.threads)
        return {name: made[name] for name in outputs or made}


class NativeAsker:
    """``ask.onnx`` with our kernels, with the same names. States of padding are finite and mean nothing."""

    def __init__(self, weights: NativeWeights, threads: int = 0) -> None:
        self.weights = weights
        self.threads = threads or os.cpu_count() or 1

    def run(self, inputs: Mapping[str, np.ndarray], outputs: list[str] | None = None) -> dict[str, np.ndarray]:
        """Named arrays in, named arrays out. The masks must be ones, then zeros, in every row."""
        return self._run(inputs, outputs or [f"states_{i}" for i in range(self.weights.config.layers + 1)], 0)

    def run_slots(self, inputs: Mapping[str, np.ndarray], slots: int) -> np.ndarray:
        """The last layer's states of the last ``slots`` real tokens of every row (B, slots, D), and no others."""
        last = f"states_{self.weights.config.layers}"
        return self._run(inputs, [last], slots)[last]

    def _run(self, inputs: Mapping[str, np.ndarray], names: list[str], slots: int) -> dict[str, np.ndarray]:
        c = self.weights.config
        ids = np.ascontiguousarray(inputs["ids"], np.int64)
        lengths = inputs["text_mask"].sum(1, dtype=np.int64)
        asked = inputs["mask"].sum(1, dtype=np.int64)
        wide = inputs["text_mask"].shape[1]
        keys = [np.ascontiguousarray(inputs[f"key_{i}"], np.float16) for i in range(c.layers)]
        values = [np.ascontiguousarray(inputs[f"value_{i}"], np.float16) for i in range(c.layers)]
        places = np.ascontiguousarray(np.broadcast_to(np.arange(ids.shape[1]), ids.shape))
        shape = (len(ids), slots or ids.shape[1], c.dimension)
        made = {name: np.empty(shape, np.float32) for name in names}

        def share(begin: int, end: int) -> None:
            states = [made.get(f"states_{i}") for i in range(c.layers + 1)]
            _call(
                "ask_texts",
                ctypes.byref(self.weights.asker),
                ctypes.c_int64(end - begin),
                _place(lengths[begin:end]),
                ctypes.c_int64(wide),
                _places([key[begin:end] for key in keys]),
                _places([value[begin:end] for value in values]),
                ctypes.c_int64(ids.shape[1]),
                _place(asked[begin:end]),
                _place(ids[begin:end]),
                _place(places[begin:end]),
                ctypes.c_int64(slots),
                _places([None if state is None else state[begin:end] for state in states]),
            )

        _shared(share, np.full(len(ids), ids.shape[1]), self.threads)
        return made


NATIVE_ENGINES: dict[str, Callable[[NativeWeights, int], Engine]] = {"read": NativeReader, "ask": NativeAsker}


def _shared(call: Callable[[int, int], None], lengths: np.ndarray, threads: int) -> None:
    """``call(begin, end)`` for runs of texts of about SHARE tokens together, in threads (the kernels drop the lock)."""
    shares = even_shares(lengths, threads)
    if threads == 1 or len(shares) == 1:
        for one in shares:
            call(*one)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(call, *one) for one in shares]:
            done.result()


def even_shares(lengths: np.ndarray, threads: int) -> list[tuple[int, int]]:
    """Runs (begin, end) of texts of nearly equally many tokens, at most about SHARE; their number is one per thread, or
    a multiple of that, so that no thread waits for the last."""
    total = int(lengths.sum())
    count = min(threads * max(1, -(-total // (SHARE * threads))), len(lengths))
    middles = np.cumsum(lengths) - lengths / 2
    ends = [0, *np.searchsorted(middles, total * np.arange(1, count) / count).tolist(), len(lengths)]
    return [(begin, end) for begin, end in pairwise(ends) if begin < end]


def _call(name: str, *arguments: Any) -> None:
    if getattr(_library(), name)(*arguments):
        raise InternalError(f"{name} must find memory for its work. It did not; use a smaller batch_size.")


def _place(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _places(arrays: list[Any]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(None if array is None else array.ctypes.data for array in arrays))
