"""What a reading holds, in a form for the disk: whole numbers of 8 bits with a scale per token and head.

    a batch that was read  <->  StoredStates: the same states, ragged, quantised

``STORAGES`` names the backbones whose readings hold states; the others attend both ways, keep nothing but the texts
and read them again. A state x of a group (one token's key or value in one head) is stored as round(x / scale) with
scale = max |x| / 127 in half precision, so no state is off by more than 1/254 of its group's largest (and what half
precision takes: 1 part in 2048).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from answerspace.answers import Array
from answerspace.backbones.bundled import Read
from answerspace.protocols import Backbone

Codes = npt.NDArray[np.int8]
Half = npt.NDArray[np.float16]
STEPS = 127


@dataclass(frozen=True)
class StoredStates:
    """The states of b texts of ``lengths`` (b,) tokens, T in all, one text after the other.

    ``codes`` (T, G, g) and their ``scales`` (T, G) for G groups of g numbers a token; ``whole`` (b, w) is what each
    text has once, in float32; w may be 0.
    """

    lengths: npt.NDArray[np.int32]
    codes: Codes
    scales: Half
    whole: Array

    def part(self, start: int, stop: int) -> StoredStates:
        """Texts ``start`` to ``stop``."""
        first, last = int(self.lengths[:start].sum()), int(self.lengths[:stop].sum())
        tokens = slice(first, last)
        return StoredStates(self.lengths[start:stop], self.codes[tokens], self.scales[tokens], self.whole[start:stop])


class Storage(NamedTuple):
    """How one kind of backbone's reading goes to the disk and comes back."""

    pack: Callable[[Any], StoredStates]
    unpack: Callable[[Any, Sequence[str], StoredStates], Any]  # (backbone, texts, states) -> what ``read`` returned


def storage_of(backbone: Backbone) -> Storage | None:
    """The storage of a backbone's states, None when its readings hold none."""
    return STORAGES.get(backbone.kind)


# --- arithmetic --------------------------------------------------------------------------------------------------


def quantised(states: npt.NDArray[Any]) -> tuple[Codes, Half]:
    """(T, G, g) numbers -> codes of the same shape and scales (T, G). All-zero groups get scale 0."""
    wide = np.asarray(states, np.float32)
    scales = (np.abs(wide).max(-1, initial=0) / STEPS).astype(np.float16)
    steps = scales.astype(np.float32)[..., None]
    steps[steps == 0] = 1
    codes = np.rint(wide / steps).clip(-STEPS, STEPS).astype(np.int8)
    return codes, scales


def restored(codes: Codes, scales: Half) -> Half:
    """The numbers (T, G, g) in half precision that codes and scales stand for."""
    return np.asarray(codes * scales.astype(np.float32)[..., None], np.float16)


def ragged(padded: npt.NDArray[Any], mask: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(B, L, ...) -> (T, ...): the rows that the mask (B, L) counts."""
    rows: npt.NDArray[Any] = padded[mask.astype(bool)]
    return rows


def rectangular(rows: npt.NDArray[Any], lengths: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
    """(T, ...) -> (B, L, ...), zero behind the end of each text."""
    longest = int(lengths.max(initial=0))
    mask = np.arange(longest) < lengths[:, None]
    padded = np.zeros((*mask.shape, *rows.shape[1:]), rows.dtype)
    padded[mask] = rows
    return padded


# --- the bundled model -------------------------------------------------------------------------------------------


def _pack_bundled(read: Read) -> StoredStates:
    layers = len(read.pairs) // 2
    groups = []
    for i in range(layers):
        groups.append(ragged(read.pairs[f"key_{i}"].transpose(0, 3, 1, 2), read.text_mask))  # (T, H, d)
        groups.append(ragged(read.pairs[f"value_{i}"].transpose(0, 2, 1, 3), read.text_mask))
    codes, scales = quantised(np.concatenate(groups, 1))
    return StoredStates(read.text_mask.sum(1).astype(np.int32), codes, scales, np.asarray(read.pooled, np.float32))


def _unpack_bundled(backbone: Any, texts: Sequence[str], stored: StoredStates) -> Read:
    layers = backbone.layers
    heads = stored.codes.shape[1] // (2 * layers)
    pairs = {}
    for i in range(layers):
        for name, at, axes in (("key", 2 * i, (0, 2, 3, 1)), ("value", 2 * i + 1, (0, 2, 1, 3))):
            groups = slice(at * heads, (at + 1) * heads)
            padded = rectangular(restored(stored.codes[:, groups], stored.scales[:, groups]), stored.lengths)
            pairs[f"{name}_{i}"] = np.ascontiguousarray(padded.transpose(axes))
    mask = np.arange(int(stored.lengths.max(initial=0))) < stored.lengths[:, None]
    return Read(pairs, mask.astype(np.int64), np.asarray(stored.whole), list(texts))


# --- causal models -----------------------------------------------------------------------------------------------


def _pack_causal(read: Any) -> StoredStates:
    """Keys and values per head, then the last layer's states in groups of a head's width."""
    lengths = np.array([len(row) for row in read.ids], np.int32)
    longest = int(lengths.max(initial=0))
    mask = np.arange(longest) < lengths[:, None]
    groups = []
    for pair in read.keys_values:
        groups += [ragged(_numbers(one)[:, :, :longest].transpose(0, 2, 1, 3), mask) for one in pair]
    if not groups:  # texts that come to nothing before the question
        return StoredStates(lengths, np.zeros((0, 0, 0), np.int8), np.zeros((0, 0), np.float16), _nothing(lengths))
    width = groups[0].shape[-1]
    states = ragged(_numbers(read.states)[:, :longest], mask)
    states = np.pad(states, ((0, 0), (0, -states.shape[1] % width)))
    groups.append(states.reshape(len(states), -1, width))
    codes, scales = quantised(np.concatenate(groups, 1))
    return StoredStates(lengths, codes, scales, _nothing(lengths))


def _unpack_causal(backbone: Any, texts: Sequence[str], stored: StoredStates) -> Any:
    import torch

    from answerspace.backbones.causal import CausalRead

    ids = [backbone.prompts.before_question(text) for text in texts]
    device, dtype = backbone.device, backbone.model.dtype
    if not stored.codes.size:
        empty = torch.zeros((len(texts), 0, backbone.dimension), device=device)
        return CausalRead(list(texts), ids, [], empty)
    padded = rectangular(
        np.asarray(stored.codes * stored.scales.astype(np.float32)[..., None], np.float32), stored.lengths
    )  # (B, L, G, g)
    width = padded.shape[-1]
    of_states = -(-backbone.dimension // width)
    heads = (padded.shape[2] - of_states) // (2 * backbone.layers)
    tensors = torch.from_numpy(padded).to(device, dtype)
    pairs = [tensors[:, :, at : at + heads].transpose(1, 2) for at in range(0, 2 * backbone.layers * heads, heads)]
    states = tensors[:, :, 2 * backbone.layers * heads :].flatten(2)[..., : backbone.dimension]
    return CausalRead(list(texts), ids, list(zip(pairs[::2], pairs[1::2], strict=True)), states)


def _numbers(tensor: Any) -> Array:
    return np.asarray(tensor.detach().float().cpu().numpy(), np.float32)


def _nothing(lengths: npt.NDArray[np.int32]) -> Array:
    return np.zeros((len(lengths), 0), np.float32)


STORAGES: dict[str, Storage] = {
    "bundled": Storage(_pack_bundled, _unpack_bundled),
    "causal": Storage(_pack_causal, _unpack_causal),
}
