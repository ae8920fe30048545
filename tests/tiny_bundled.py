"""A tiny start model and a tiny bundled model, built in memory with random but fixed weights."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertModel

from answerspace.training.bundled import start_network
from answerspace.training.export import export

COLOURS = ["red", "blue", "green", "black"]
ANIMALS = ["cat", "dog", "horse", "bird"]
WORDS = ["the", "a", "is", "what", "colour", "animal", "which", "here", "runs", "?", ".", *COLOURS, *ANIMALS]
MORE = ["being", "reviewed", "how", "does", "customer", "feel", "soup", "was", "cold", "flight", "phone", "good", "to"]


def write_start(folder: Path) -> Path:
    """A random BERT of two narrow blocks with a vocabulary of whole words, as a folder to train from."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *MORE]
    tokenizer = Tokenizer(models.WordPiece({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(names[:5])
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(names), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=40, initializer_range=0.3,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@lru_cache
def tiny_bundled() -> Path:
    """A folder with an untrained bundled model made from ``write_start``."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-bundled-"))
    start = folder / "start"
    start.mkdir()
    write_start(start)
    torch.manual_seed(1)
    export(start_network(start), start, folder / "model", "")
    return folder / "model"
