"""Random-weight language models by size, and a tokenizer for them: what speed needs, without a download."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import transformers
from measuring import QUESTIONS, WORDS
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

VOCABULARY = 50265  # RoBERTa's and nearly OPT's: a model's head costs by it, however few pieces the tokenizer knows
SIZES = {  # name -> width, blocks, heads
    "tiny": (64, 4, 4),
    "100m": (768, 12, 12),
    "1b": (2048, 20, 16),
}


@lru_cache
def tokenizer(masked: bool) -> PreTrainedTokenizerFast:
    """Byte-level pieces that know the benchmarks' words; a bos token, for a masked model RoBERTa's frame."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    frame = "### Input:\n\n\n### Instruction:\n\n\n### Response:"
    backend.train_from_iterator([" ".join(WORDS.split()), *QUESTIONS, frame] * 4, trainer)
    backend.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    ids = [("<s>", backend.token_to_id("<s>")), ("</s>", backend.token_to_id("</s>"))]
    form = ("<s> $A </s>", "<s> $A </s> </s> $B </s>") if masked else ("<s> $A", "<s> $A <s> $B")
    backend.post_processor = processors.TemplateProcessing(*form, ids)
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    if masked:
        names |= {"mask_token": "<mask>", "cls_token": "<s>", "sep_token": "</s>"}
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=inputs, **names)


def masked_model(size: str) -> tuple[Any, PreTrainedTokenizerFast]:
    """A RoBERTa of that size."""
    width, blocks, heads = SIZES[size]
    words = tokenizer(masked=True)
    config = transformers.RobertaConfig(
        vocab_size=VOCABULARY, hidden_size=width, num_hidden_layers=blocks, num_attention_heads=heads,
        intermediate_size=4 * width, max_position_embeddings=514, type_vocab_size=1, **_ends(words),
    )  # fmt: skip
    return _made(transformers.RobertaForMaskedLM, config), words


def causal_model(size: str, dtype: str = "float32", device: str = "cpu") -> tuple[Any, PreTrainedTokenizerFast]:
    """An OPT of that size."""
    width, blocks, heads = SIZES[size]
    words = tokenizer(masked=False)
    config = transformers.OPTConfig(
        vocab_size=VOCABULARY, hidden_size=width, num_hidden_layers=blocks, num_attention_heads=heads,
        ffn_dim=4 * width, word_embed_proj_dim=width, max_position_embeddings=2048, **_ends(words),
    )  # fmt: skip
    return _made(transformers.OPTForCausalLM, config).to(device, getattr(torch, dtype)), words


def _made(kind: Any, config: Any) -> Any:
    torch.manual_seed(0)
    model = kind(config)
    return model.eval().requires_grad_(False)


def _ends(words: PreTrainedTokenizerFast) -> dict[str, int]:
    return {
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
    }
