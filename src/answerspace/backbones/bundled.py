"""The bundled model: reads a text without the question, so that every further question is cheap.

Text and question are tokenised here; an engine runs the two graphs. A reading holds, for each layer, the asker's
keys and values of the text in half precision: 9.2 kB a token. Knows no torch unless the torch engine is chosen.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from scipy.special import erf
from tokenizers import Tokenizer

from answerspace.answers import Answered, Array, Asking, Ids, Sampling
from answerspace.engines.bundled_config import BundledConfig
from answerspace.errors import InputError, MissingExtra, ModelError
from answerspace.protocols import Engine

CONFIG = "answerspace.json"
FILES = (CONFIG, "model.safetensors", "read.onnx", "ask.onnx", "tokenizer.json")
Engines = tuple[Engine, Engine]


@dataclass(frozen=True)
class Read:
    """One batch of texts as the asker sees them; ``pooled`` (B, D) is the start model's own embedding."""

    pairs: dict[str, np.ndarray]
    text_mask: np.ndarray
    pooled: Array
    texts: list[str]


class BundledBackbone:
    """The network of ``engines.bundled_network`` behind the protocol of every backbone.

    ``truncation`` is the end of a long text that is kept: "head" (reviews, mails and news say first what they are
    about, and training cut there too) or "tail".
    """

    kind = "bundled"

    def __init__(
        self, folder: Path, config: BundledConfig, engines: Engines, *, engine: str, truncation: str = "head"
    ) -> None:
        self.folder = folder
        self.config = config
        self.layers = config.layers
        self.dimension = config.dimension
        self.truncation = truncation
        self.engine = engine
        self._reader, self._asker = engines
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True  # a text that contains "[MASK]" is only text
        names = ("[CLS]", "[SEP]", "[MASK]", "[PAD]")
        self._cls, self._sep, self._mask, self._pad = (self._tokenizer.token_to_id(name) for name in names)

    # --- the protocol ---------------------------------------------------------------------------------------

    def read(self, texts: Sequence[str]) -> Read:
        rows = [[self._cls, *self._cut(ids), self._sep] for ids in self._ids(texts)]
        ids, mask = self._padded(rows)
        made = self._reader.run({"ids": ids, "mask": mask})
        pooled = made.pop("pooled")
        return Read(made, mask, pooled, list(texts))

    def ask(self, read: Read, instructions: Sequence[str], asking: Asking) -> Answered:
        ids, mask, slots = self._questions(instructions)
        layer = f"states_{asking.layer % (self.layers + 1)}"
        last = f"states_{self.layers}"
        wanted = list(dict.fromkeys([layer, last])) if asking.words else [layer]
        made = self._asker.run({"text_mask": read.text_mask, "ids": ids, "mask": mask, **read.pairs}, wanted)
        sequence = mask.astype(bool)
        predicted = np.full(ids.shape, -1, np.int64)
        answers = [""] * len(ids)
        if asking.words:
            named = self._named(made[last][slots].reshape(len(ids), -1, self.dimension), read, instructions, asking)
            predicted[slots] = named.ravel()
            answers = [self._answer(row) for row in named]
        states = np.where(sequence[..., None], made[layer], np.float32(0))
        return Answered(states, sequence & ~slots, slots, slots.copy(), sequence, predicted, answers)

    def embed(self, read: Read) -> Array:
        """The instruction-free vectors (B, D): those of the start model, all-MiniLM-L6-v2, before normalising."""
        return read.pooled

    def head(self, states: Array) -> Array:
        part = self._head
        x = states @ part["dense.weight"].T + part["dense.bias"]
        x = x * 0.5 * (1 + erf(x / np.sqrt(2)))
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + self.config.norm_eps)
        x = x * part["norm.weight"] + part["norm.bias"]
        return np.asarray(x.astype(np.float32) @ part["words"].T + part["bias"], np.float32)

    def tokens(self, ids: Sequence[int]) -> list[str]:
        names = [self._tokenizer.id_to_token(int(i)) or "" for i in ids]
        return [name[2:] if name.startswith("##") else " " + name for name in names]

    def token_ids(self, text: str) -> list[int]:
        return list(self._ids([text])[0])

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the weights, the vocabulary, the engine and whatever else changes the vectors."""
        digest = hashlib.blake2b(digest_size=16)
        for name in FILES:
            digest.update((self.folder / name).read_bytes())
        digest.update(repr((self.config, self.truncation, self.engine)).encode())
        return f"bundled-{digest.hexdigest()}"

    def save(self, path: Path) -> None:
        """Write the model's files to a folder."""
        path.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            if (self.folder / name).resolve() != (path / name).resolve():
                shutil.copyfile(self.folder / name, path / name)
        stored = json.loads((path / CONFIG).read_text("utf-8"))
        stored |= {"text_length": self.config.text_length, "truncation": self.truncation}
        (path / CONFIG).write_text(json.dumps(stored, indent=1) + "\n", "utf-8")

    # --- steps ----------------------------------------------------------------------------------------------

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [e.ids for e in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def _cut(self, ids: list[int]) -> list[int]:
        keep = self.config.text_length - 2
        return ids[:keep] if self.truncation == "head" else ids[max(0, len(ids) - keep) :]

    def _questions(self, instructions: Sequence[str]) -> tuple[Ids, Ids, np.ndarray]:
        """Ids and mask (B, T), and where (B, T) the answer slots are."""
        n = self.config.slots
        distinct = list(dict.fromkeys(instructions))
        ids_of = dict(zip(distinct, self._ids(distinct), strict=True))
        most = self.config.positions - n - 1
        for question, found in ids_of.items():
            if len(found) > most:
                raise InputError(
                    f"A question must have at most {most} tokens for this model. Got {len(found)}: {question:.60}..."
                )
        ids, mask = self._padded([[*ids_of[q], self._sep, *[self._mask] * n] for q in instructions])
        end = mask.sum(1)[:, None]
        place = np.arange(ids.shape[1])[None, :]
        return ids, mask, (place >= end - n) & (place < end)

    def _padded(self, rows: list[list[int]]) -> tuple[Ids, Ids]:
        lengths = np.array([len(row) for row in rows])
        mask = np.arange(lengths.max())[None, :] < lengths[:, None]
        ids = np.full(mask.shape, self._pad, np.int64)
        ids[mask] = np.concatenate([np.asarray(row, np.int64) for row in rows])
        return ids, mask.astype(np.int64)

    def _named(self, states: Array, read: Read, instructions: Sequence[str], asking: Asking) -> Ids:
        """The token each slot names: (B, slots, D) -> (B, slots)."""
        scores = self.head(states)
        if asking.sampling is None:
            return np.asarray(scores.argmax(-1), np.int64)
        rows = zip(scores, read.texts, instructions, strict=True)
        return np.stack([_draw(row, asking.sampling, text, question) for row, text, question in rows])

    def _answer(self, ids: Ids) -> str:
        """The words before the end mark, a word repeated by the next slot once."""
        kept: list[int] = []
        for i in ids.tolist():
            if i in (self._sep, self._pad):
                break
            if not kept or kept[-1] != i:
                kept.append(i)
        return str(self._tokenizer.decode(kept)).strip()

    @cached_property
    def _head(self) -> dict[str, Array]:
        stored = load_file(self.folder / "model.safetensors")
        part = {name[5:]: stored[name].astype(np.float32) for name in stored if name.startswith("head.")}
        part["words"] = stored["embeddings.word.weight"].astype(np.float32)
        return part


def _draw(scores: Array, sampling: Sampling, text: str, question: str) -> Ids:
    """One token per slot (slots, V) by temperature and top-p, from a generator of this text and question alone."""
    seed = hashlib.blake2b(repr((sampling.seed, sampling.draw, text, question)).encode(), digest_size=8).digest()
    rng = np.random.default_rng(int.from_bytes(seed, "big"))
    drawn = []
    for row in scores / sampling.temperature:
        order = np.argsort(-row, kind="stable")
        chance = np.exp(row[order] - row.max())
        chance /= chance.sum()
        keep = int(np.searchsorted(np.cumsum(chance), sampling.top_p)) + 1
        drawn.append(order[rng.choice(min(keep, len(order)), p=chance[:keep] / chance[:keep].sum())])
    return np.array(drawn, np.int64)


# --- loading -----------------------------------------------------------------------------------------------------


def load_bundled(
    path: Path | None = None,
    *,
    engine: str = "auto",
    text_length: int | None = None,
    truncation: str | None = None,
    threads: int = 0,
    device: str = "cpu",
) -> BundledBackbone:
    """The model in a folder written by ``save`` or by training; without a path the one inside the package.

    ``engine`` is a name of ENGINES, "auto" the fastest installed one that keeps to the stated tolerance.
    """
    folder = bundled_folder() if path is None else path
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"A bundled model's folder must hold {', '.join(FILES)}. {folder} lacks {missing[0]}.")
    stored = json.loads((folder / CONFIG).read_text("utf-8"))
    config = BundledConfig(**stored["network"])
    config = replace(config, text_length=text_length or stored.get("text_length", config.text_length))
    if not 3 <= config.text_length <= config.positions:
        raise InputError(f"max_length must be between 3 and {config.positions} tokens. Got {config.text_length}.")
    chosen = "onnx" if engine == "auto" else engine
    if chosen not in ENGINES:
        raise InputError(f"engine must be one of auto, {', '.join(ENGINES)}. Got {engine!r}.")
    engines = ENGINES[chosen](folder, config, threads, device)
    return BundledBackbone(
        folder, config, engines, engine=chosen, truncation=truncation or stored.get("truncation", "head")
    )


def bundled_folder() -> Path:
    """Where the package keeps its model."""
    with as_file(files("answerspace") / "model") as folder:
        return folder


def _onnx_engines(folder: Path, config: BundledConfig, threads: int, device: str) -> Engines:
    from answerspace.engines.onnx import OnnxEngine

    return OnnxEngine(folder / "read.onnx", threads), OnnxEngine(folder / "ask.onnx", threads)


def _openvino_engines(folder: Path, config: BundledConfig, threads: int, device: str) -> Engines:
    try:
        from answerspace.engines.openvino import OpenvinoEngine
    except ImportError:
        raise MissingExtra("The OpenVINO engine", "openvino") from None
    return OpenvinoEngine(folder / "read.onnx", threads), OpenvinoEngine(folder / "ask.onnx", threads)


def _torch_engines(folder: Path, config: BundledConfig, threads: int, device: str) -> Engines:
    try:
        from answerspace.engines.torch import TorchAsker, TorchReader, load_network
    except ImportError:
        raise MissingExtra("The torch engine", "torch") from None
    network = load_network(folder / "model.safetensors", config, device)
    return TorchReader(network), TorchAsker(network)


ENGINES: dict[str, Callable[[Path, BundledConfig, int, str], Any]] = {
    "onnx": _onnx_engines,
    "openvino": _openvino_engines,
    "torch": _torch_engines,
}
