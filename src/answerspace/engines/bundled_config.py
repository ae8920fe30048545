"""The bundled model's shape and its parts by name: what every engine of it agrees on."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from tokenizers import Tokenizer

from answerspace.errors import ModelError


@dataclass(frozen=True)
class BundledConfig:
    """A frozen BERT-shaped reader and an asker of the same depth (docs/decisions/0003-frozen-reader.md).

    ``slots`` answer masks follow the question; ``text_length`` is the most tokens kept of a text, ``[CLS]`` and
    ``[SEP]`` included.
    """

    layers: int = 6
    dimension: int = 384
    heads: int = 12
    intermediate: int = 1536
    vocabulary: int = 30522
    positions: int = 512
    norm_eps: float = 1e-12
    slots: int = 3
    text_length: int = 256

    def to_dict(self) -> dict[str, float]:
        """The fields, for the config file."""
        return asdict(self)


LINEARS = {
    "query": ("dimension", "dimension"),
    "key": ("dimension", "dimension"),
    "value": ("dimension", "dimension"),
    "out": ("dimension", "dimension"),
    "up": ("dimension", "intermediate"),
    "down": ("intermediate", "dimension"),
}
"""The linear maps of a block: name -> (fields of the config that give the input and output size)."""

NORMS = ("attention_norm", "output_norm")


def special_ids(tokenizer: Tokenizer) -> tuple[int, int, int, int]:
    """The ids of [CLS], [SEP], [MASK] and [PAD]."""
    cls, sep, mask, pad = (tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]", "[MASK]", "[PAD]"))
    if cls is None or sep is None or mask is None or pad is None:
        raise ModelError("The tokenizer of a bundled model must know [CLS], [SEP], [MASK] and [PAD]. One is missing.")
    return cls, sep, mask, pad
