"""The bundled network in torch: what is trained, and the reference the fast engines are held against.

    read: [CLS] text [SEP]              token type 0, attends within the text, weights frozen (all-MiniLM-L6-v2)
    ask:  question [SEP] [MASK] x slots token type 1, positions from 0, attends to the text and to itself

The asker's block i makes its own keys and values of the text from the reader's layer input i, so the text side
needs no gradient and a reading also holds the generic embedding of the start model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from answerspace.engines.bundled_config import LINEARS, NORMS, BundledConfig

Pair = tuple[Tensor, Tensor]


class Block(nn.Module):
    """One post-norm transformer block, with keys and values of a text put before its own when given."""

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    out: nn.Linear
    up: nn.Linear
    down: nn.Linear
    attention_norm: nn.LayerNorm
    output_norm: nn.LayerNorm

    def __init__(self, config: BundledConfig) -> None:
        super().__init__()
        self.heads = config.heads
        for name, (rows, columns) in LINEARS.items():
            setattr(self, name, nn.Linear(getattr(config, rows), getattr(config, columns)))
        for name in NORMS:
            setattr(self, name, nn.LayerNorm(config.dimension, eps=config.norm_eps))

    def split(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, heads, T, D / heads)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def text_pair(self, layer_input: Tensor) -> Pair:
        """Keys and values (B, heads, L, D / heads) of a text from the reader's layer input (B, L, D)."""
        return self.split(self.key(layer_input)), self.split(self.value(layer_input))

    def forward(self, x: Tensor, mask: Tensor, text: Pair | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D); ``mask`` (B, 1, 1, keys) is added to the attention scores."""
        key, value = self.split(self.key(x)), self.split(self.value(x))
        if text is not None:
            key, value = torch.cat([text[0], key], 2), torch.cat([text[1], value], 2)
        found = functional.scaled_dot_product_attention(self.split(self.query(x)), key, value, attn_mask=mask)
        x = self.attention_norm(x + self.out(found.transpose(1, 2).flatten(2)))
        return cast(Tensor, self.output_norm(x + self.down(functional.gelu(self.up(x)))))


class Embeddings(nn.Module):
    """Word, position and type vectors, summed and normalised."""

    def __init__(self, config: BundledConfig) -> None:
        super().__init__()
        self.word = nn.Embedding(config.vocabulary, config.dimension)
        self.position = nn.Embedding(config.positions, config.dimension)
        self.token_type = nn.Embedding(2, config.dimension)
        self.norm = nn.LayerNorm(config.dimension, eps=config.norm_eps)

    def forward(self, ids: Tensor, token_type: int) -> Tensor:
        """(B, T) ids -> (B, T, D)."""
        x = self.word(ids) + self.position.weight[: ids.shape[1]] + self.token_type.weight[token_type]
        return cast(Tensor, self.norm(x))


class Head(nn.Module):
    """Names the word at an answer slot: dense, gelu, norm, then the word vectors themselves."""

    def __init__(self, config: BundledConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.dimension, config.dimension)
        self.norm = nn.LayerNorm(config.dimension, eps=config.norm_eps)
        self.bias = nn.Parameter(torch.zeros(config.vocabulary))

    def forward(self, states: Tensor, words: Tensor) -> Tensor:
        """(..., D) states, (V, D) word vectors -> (..., V) scores."""
        return cast(Tensor, self.norm(functional.gelu(self.dense(states))) @ words.T + self.bias)


class BundledNetwork(nn.Module):
    """Reader, asker, projection and head. Parameter names are the names in the weights file."""

    def __init__(self, config: BundledConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.reader = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.asker = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.projection = nn.Linear(config.dimension, config.dimension)
        self.head = Head(config)

    def read(self, ids: Tensor, mask: Tensor) -> list[Tensor]:
        """(B, L) ids and mask -> the reader's layer inputs and its output: layers + 1 tensors (B, L, D)."""
        bias = attention_bias(mask)
        states = [self.embeddings(ids, 0)]
        for block in self.reader:
            states.append(block(states[-1], bias))
        return states

    def text_pairs(self, read: list[Tensor]) -> list[Pair]:
        """The asker's keys and values of the text, one pair a layer."""
        blocks = cast(list[Block], list(self.asker))
        return [block.text_pair(x) for block, x in zip(blocks, read, strict=False)]

    def ask(self, pairs: list[Pair], text_mask: Tensor, ids: Tensor, mask: Tensor) -> list[Tensor]:
        """Question ids (B, T) over texts -> states after the embeddings and each block, the last one projected."""
        bias = attention_bias(torch.cat([text_mask, mask], 1))
        states = [self.embeddings(ids, 1)]
        for block, pair in zip(self.asker, pairs, strict=True):
            states.append(block(states[-1], bias, pair))
        states[-1] = self.projection(states[-1])
        return states

    def scores(self, states: Tensor) -> Tensor:
        """(..., D) projected states -> (..., V)."""
        return cast(Tensor, self.head(states, self.embeddings.word.weight))

    def trained(self) -> Iterator[nn.Parameter]:
        """The parameters that training changes: everything but the reader and the embeddings."""
        for module in (self.asker, self.projection, self.head):
            yield from module.parameters()


def attention_bias(mask: Tensor) -> Tensor:
    """(B, L) mask, 1 where a key counts -> (B, 1, 1, L) to be added to scores."""
    return torch.where(mask.bool(), 0.0, torch.finfo(torch.float32).min)[:, None, None, :]


def start_from_bert(network: BundledNetwork, weights: Mapping[str, Tensor]) -> None:
    """Fill reader and asker from a BERT checkpoint; the projection starts as the identity, the head small."""
    bert = {name.removeprefix("bert."): tensor for name, tensor in weights.items()}
    parts = {
        "query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value",
        "out": "attention.output.dense", "up": "intermediate.dense", "down": "output.dense",
        "attention_norm": "attention.output.LayerNorm", "output_norm": "output.LayerNorm",
    }  # fmt: skip
    own = {
        "embeddings.word.weight": bert["embeddings.word_embeddings.weight"],
        "embeddings.position.weight": bert["embeddings.position_embeddings.weight"],
        "embeddings.token_type.weight": bert["embeddings.token_type_embeddings.weight"],
        "embeddings.norm.weight": bert["embeddings.LayerNorm.weight"],
        "embeddings.norm.bias": bert["embeddings.LayerNorm.bias"],
        "projection.weight": torch.eye(network.config.dimension),
        "projection.bias": torch.zeros(network.config.dimension),
    }
    for side in ("reader", "asker"):
        for i in range(network.config.layers):
            for name, path in parts.items():
                for kind in ("weight", "bias"):
                    own[f"{side}.{i}.{name}.{kind}"] = bert[f"encoder.layer.{i}.{path}.{kind}"]
    network.load_state_dict(own | {f"head.{name}": tensor for name, tensor in network.head.state_dict().items()})
