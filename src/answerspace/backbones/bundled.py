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

import numpy as np
from tokenizers import Tokenizer

from answerspace.answers import Answered, Array, Asking, Ids, Sampling
from answerspace.engines.bundled_config import BundledConfig, special_ids
from answerspace.errors import InputError, InternalError, MissingExtra, ModelError
from answerspace.protocols import Engine

CONFIG = "answerspace.json"
FILES = (CONFIG, "model.safetensors", "read.onnx", "ask.onnx", "head.onnx", "tokenizer.json")
UNSPOKEN = ("because",)
"""Words that begin many answers and say nothing; an answer in words goes without them."""
Open = Callable[[str], Engine]


@dataclass(frozen=True)
class Read:
    """One batch of texts as the asker sees them; ``pooled`` (B, D) is the start model's own embedding, where wanted."""

    pairs: dict[str, np.ndarray]
    text_mask: np.ndarray
    pooled: Array | None
    texts: list[str]


class BundledBackbone:
    """The network of ``engines.bundled_network`` behind the protocol of every backbone.

    ``truncation`` is the end of a long text that is kept: "head" (reviews, mails and news say first what they are
    about, and training cut there too) or "tail".
    """

    kind = "bundled"

    def __init__(
        self, folder: Path, config: BundledConfig, open_engine: Open, *, engine: str, truncation: str = "head"
    ) -> None:
        self.folder = folder
        self.config = config
        self.layers = config.layers
        self.dimension = config.dimension
        self.max_length = config.text_length
        self.truncation = truncation
        self.engine = engine
        self._open = open_engine
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True  # a text that contains "[MASK]" is only text
        self._cls, self._sep, self._mask, self._pad = special_ids(self._tokenizer)

    # --- the protocol ---------------------------------------------------------------------------------------

    def read(self, texts: Sequence[str]) -> Read:
        """Tokenise and read a batch of texts; the question plays no part."""
        return self._read(texts, [*self._pair_names, "pooled"])

    def read_to_ask(self, texts: Sequence[str]) -> Read:
        """The same without the texts' own embedding, for which the last block of the reader is there."""
        return self._read(texts, self._pair_names)

    def ask(self, read: Read, instructions: Sequence[str], asking: Asking) -> Answered:
        """One pass of the question and its slots over what was read."""
        ids, mask, slots = self._questions(instructions)
        inputs = {"text_mask": read.text_mask, "ids": ids, "mask": mask, **read.pairs}
        layer, last = asking.layer % (self.layers + 1), self.layers
        run_slots = getattr(self._asker, "run_slots", None)
        if run_slots is not None and layer == last and not asking.prompt_states:
            states = at_slots = run_slots(inputs, self.config.slots)
            slots = sequence = np.ones(states.shape[:2], bool)
        else:
            wanted = sorted({layer, last}) if asking.words else [layer]
            made = self._asker.run(inputs, [f"states_{i}" for i in wanted])
            sequence = mask.astype(bool)
            states = np.where(sequence[..., None], made[f"states_{layer}"], np.float32(0))
            at_slots = made[f"states_{wanted[-1]}"][slots].reshape(len(ids), -1, self.dimension)
        predicted = np.full(sequence.shape, -1, np.int64)
        answers = [""] * len(ids)
        if asking.words:
            named = self._named(at_slots, read, instructions, asking)
            predicted[slots] = named.ravel()
            answers = [self._answer(row) for row in named]
        return Answered(states, sequence & ~slots, slots, slots.copy(), sequence, predicted, answers)

    def embed(self, read: Read) -> Array:
        """The instruction-free vectors (B, D): those of the start model, all-MiniLM-L6-v2, before normalising."""
        if read.pooled is None:
            raise InternalError(
                "A text's own embedding must be asked of what `read` gave. It was asked of read_to_ask's."
            )
        return read.pooled

    def head(self, states: Array) -> Array:
        """(K, D) last-layer states -> (K, V) scores over the word pieces."""
        return self._head.run({"states": np.ascontiguousarray(states, np.float32)})["scores"]

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The text of each word piece; a leading space marks the start of a word."""
        names = [self._tokenizer.id_to_token(int(i)) or "" for i in ids]
        return [name[2:] if name.startswith("##") else " " + name for name in names]

    def token_ids(self, text: str) -> list[int]:
        """The word pieces of a text, without special tokens."""
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

    def _read(self, texts: Sequence[str], outputs: list[str]) -> Read:
        rows = [[self._cls, *self._cut(ids), self._sep] for ids in self._ids(texts)]
        ids, mask = self._padded(rows)
        made = self._reader.run({"ids": ids, "mask": mask}, outputs)
        pooled = made.pop("pooled", None)
        return Read(made, mask, pooled, list(texts))

    @cached_property
    def _pair_names(self) -> list[str]:
        return [f"{what}_{i}" for i in range(self.layers) for what in ("key", "value")]

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
        scores = self.head(states.reshape(-1, self.dimension)).reshape(*states.shape[:2], -1)
        scores[..., self._unspoken] = -np.inf
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
    def _unspoken(self) -> list[int]:
        ids = [self._tokenizer.token_to_id(word) for word in UNSPOKEN]
        return [i for i in ids if i is not None]

    @cached_property
    def _reader(self) -> Engine:
        return self._open("read")

    @cached_property
    def _asker(self) -> Engine:
        return self._open("ask")

    @cached_property
    def _head(self) -> Engine:
        return self._open("head")


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
    chosen = _fastest(config) if engine == "auto" else engine
    if chosen not in ENGINES:
        raise InputError(f"engine must be one of auto, {', '.join(ENGINES)}. Got {engine!r}.")
    open_engine = ENGINES[chosen](folder, config, threads, device)
    kept_end = truncation or stored.get("truncation", "head")
    return BundledBackbone(folder, config, open_engine, engine=chosen, truncation=kept_end)


def bundled_folder() -> Path:
    """Where the package keeps its model."""
    with as_file(files("answerspace") / "model") as folder:
        return folder


def _fastest(config: BundledConfig) -> str:
    """Our own kernels where this machine and this network allow them, else ONNX Runtime (decision 4)."""
    from answerspace.engines.native import fits, native_problem

    return "native" if fits(config) and native_problem() is None else "onnx"


def _native_engines(folder: Path, config: BundledConfig, threads: int, device: str) -> Open:
    from answerspace.engines.native import NATIVE_ENGINES, NativeWeights, native_problem

    problem = native_problem()
    if problem is not None:
        raise InputError(f"engine 'native' needs {problem}. Use engine='onnx'.")
    weights = NativeWeights(folder / "model.safetensors", config)
    onnx = _onnx_engines(folder, config, threads, device)

    def opened(name: str) -> Engine:
        return NATIVE_ENGINES[name](weights, threads) if name in NATIVE_ENGINES else onnx(name)

    return opened


def _onnx_engines(folder: Path, config: BundledConfig, threads: int, device: str) -> Open:
    from answerspace.engines.onnx import OnnxEngine

    return lambda name: OnnxEngine(folder / f"{name}.onnx", threads)


def _openvino_engines(folder: Path, config: BundledConfig, threads: int, device: str) -> Open:
    try:
        from answerspace.engines.openvino import OpenvinoEngine
    except ImportError:
        raise MissingExtra("The OpenVINO engine", "openvino") from None
    return lambda name: OpenvinoEngine(folder / f"{name}.onnx", threads)


def _torch_engines(folder: Path, config: BundledConfig, threads: int, device: str) -> Open:
    try:
        from answerspace.engines.torch import TORCH_ENGINES, load_network
    except ImportError:
        raise MissingExtra("The torch engine", "torch") from None
    network = load_network(folder / "model.safetensors", config, device)
    return lambda name: TORCH_ENGINES[name](network)


ENGINES: dict[str, Callable[[Path, BundledConfig, int, str], Open]] = {
    "native": _native_engines,
    "onnx": _onnx_engines,
    "openvino": _openvino_engines,
    "torch": _torch_engines,
}
