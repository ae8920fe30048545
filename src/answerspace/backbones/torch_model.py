"""What the eager torch backbones share: a transformers model and its tokenizer, words and ids, head, saving.

The hooks that fetch a layer's states sit on the model itself, so one pass runs at a time (``self._lock``).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import decoders
from torch import nn

from answerspace.answers import Array
from answerspace.backbones.layer_states import find_blocks, replaced_output
from answerspace.backbones.prompt_tokens import PromptOptions, special_tokens


class TorchModel:
    """A transformers model with its fast tokenizer. ``stack`` is the part whose states are read."""

    kind: str

    def __init__(self, model: Any, tokenizer: Any, options: PromptOptions, stack: nn.Module) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.options = options
        self.device = model.device
        self.stack = stack
        self.blocks = find_blocks(stack)
        self.layers = len(self.blocks)
        config = model.config  # OPT-350m projects its last states to a smaller width
        self.dimension = int(getattr(config, "word_embed_proj_dim", None) or config.hidden_size)
        self.fingerprint = _fingerprint(model, tokenizer, options, self.kind)
        self.special_ids = np.array(sorted(tokenizer.convert_tokens_to_ids(special_tokens(tokenizer))), np.int64)
        self.pad_id = int(tokenizer.pad_token_id or 0)
        self._spell = _speller(tokenizer)
        self._lock = threading.RLock()

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The text of each token on its own; a leading space marks the start of a word."""
        known = len(self.tokenizer)
        return [self._spell(int(i)) if int(i) < known else "" for i in ids]

    def token_ids(self, text: str) -> list[int]:
        """Ids of the string as it stands, without special tokens; begin it with a space for a word in a sentence."""
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    @torch.inference_mode()
    def head(self, states: Array) -> Array:
        """(K, D) last-layer states -> (K, V) scores over the vocabulary, by the model's own head."""
        rows = torch.as_tensor(np.asarray(states), device=self.device, dtype=self.model.dtype)
        with self._lock:
            return numbers(self._scores(rows))

    def save(self, path: str | Path) -> None:
        """Write the weights and the tokenizer to a folder."""
        self.model.save_pretrained(path)
        self.tokenizer.save_pretrained(path)

    def _scores(self, states: torch.Tensor) -> torch.Tensor:
        """(K, D) -> (K, V): the model's head run on states of ours, the stack fed one token for the form."""
        with replaced_output(self.stack, states[None]):
            scores: torch.Tensor = self.model(**self._dummy_inputs()).logits[0]
        return scores

    def _dummy_inputs(self) -> dict[str, torch.Tensor]:
        token = torch.zeros((1, 1), dtype=torch.long, device=self.device)
        return {"input_ids": token, "attention_mask": torch.ones_like(token)}

    def _tensor(self, values: Any, dtype: torch.dtype = torch.long) -> torch.Tensor:
        return torch.as_tensor(values, dtype=dtype, device=self.device)

    def _words(self, ids: np.ndarray, kept: np.ndarray) -> list[str]:
        """The kept ids (B, n) of each row in words."""
        rows = [row[mask].tolist() for row, mask in zip(ids, kept, strict=True)]
        return [self.tokenizer.decode(row, skip_special_tokens=True).strip() if row else "" for row in rows]


def numbers(states: torch.Tensor) -> Array:
    """A tensor on any device as a float32 array."""
    return np.asarray(states.detach().float().cpu().numpy(), np.float32)


def padded(rows: Sequence[Sequence[int]], fill: int, *, left: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Ragged rows -> (ids (B, S), mask (B, S)), padded on the right or the left."""
    longest = max((len(row) for row in rows), default=0)
    ids = np.full((len(rows), longest), fill, np.int64)
    mask = np.zeros((len(rows), longest), bool)
    for i, row in enumerate(rows):
        place = slice(longest - len(row), longest) if left else slice(0, len(row))
        ids[i, place], mask[i, place] = row, True
    return ids, mask


def capacity(model: Any) -> int | None:
    """The most positions a model holds, None where position is relative."""
    config = model.config
    most = getattr(config, "max_position_embeddings", None)
    if most is None:
        return None
    # the RoBERTa family counts positions from the padding id on
    offset = any(getattr(module, "padding_idx", None) for module in _position_tables(model))
    return int(most) - (int(config.pad_token_id or 0) + 1 if offset else 0)


def _position_tables(model: Any) -> list[nn.Module]:
    return [module for name, module in model.named_modules() if name.endswith("embeddings.position_embeddings")]


def _speller(tokenizer: Any) -> Callable[[int], str]:
    """How one id is written: a leading space where it begins a word, whichever way the tokenizer marks that."""
    decoder = tokenizer.backend_tokenizer.decoder
    if isinstance(decoder, decoders.ByteLevel):
        return lambda i: str(tokenizer.backend_tokenizer.decode([i], skip_special_tokens=False))
    if isinstance(decoder, decoders.WordPiece):
        return lambda i: _wordpiece(tokenizer.convert_ids_to_tokens(i) or "")
    return lambda i: (tokenizer.convert_ids_to_tokens(i) or "").replace("▁", " ")


def _wordpiece(token: str) -> str:
    return token[2:] if token.startswith("##") else " " + token


def _fingerprint(model: Any, tokenizer: Any, options: PromptOptions, kind: str) -> str:
    """A hash of the configuration, the prompt options, the vocabulary's size and some bytes of every tensor."""
    written = ("architectures", "dtype", "transformers_version")  # what saving adds; dtypes are hashed with the tensors
    config = {k: v for k, v in model.config.to_dict().items() if not k.startswith("_") and k not in written}
    parts = [kind, repr(sorted(config.items(), key=lambda item: item[0])), repr(options), str(len(tokenizer))]
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        flat = tensor.detach().reshape(-1)
        some = flat[:: max(1, flat.numel() // 64)][:64]
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(some.float().cpu().numpy().tobytes())
    return digest.hexdigest()
