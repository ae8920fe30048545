"""Tiny models and tokenizers built in memory, one per architecture, with random but fixed weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

CORPUS = [
    "The soup was cold and the waiter was rude.",
    "### Input:\nA review\n\n### Instruction:\nWhat is being reviewed?\n\n### Response:",
    "My flight to Boston was late, I need a refund.",
    "What does the customer need? How does the customer feel? Who is it about?",
    "Good phone, bad battery; the screen broke after two days.",
    "Based on the text: service, food, place, travel, happy, angry.",
] * 4
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
WIDTH = 32


@lru_cache
def byte_tokenizer(style: str) -> PreTrainedTokenizerFast:
    """GPT-2's byte-level pieces. ``style``: what stands around a string: "none", "bos" (OPT, Llama), "roberta"."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=SPECIALS[:-1], initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(CORPUS, trainer)
    backend.add_special_tokens([AddedToken("<mask>", lstrip=True)])  # as RoBERTa has it
    ids = [(token, backend.token_to_id(token)) for token in ("<s>", "</s>")]
    if style == "bos":
        backend.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s> $B", ids)
    if style == "roberta":
        backend.post_processor = processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> </s> $B </s>", ids)
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    if style == "roberta":
        names |= {"mask_token": "<mask>", "cls_token": "<s>", "sep_token": "</s>"}
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=inputs, **names)


@lru_cache
def word_tokenizer() -> PreTrainedTokenizerFast:
    """BERT's wordpieces."""
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=specials, show_progress=False)
    backend.train_from_iterator(CORPUS, trainer)
    ids = [(token, backend.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    backend.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ids)
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]", "pad_token": "[PAD]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **names,
    )


@lru_cache
def sentence_tokenizer() -> PreTrainedTokenizerFast:
    """T5's unigram pieces with a closing token."""
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    specials = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=specials, unk_token="<unk>", show_progress=False)
    backend.train_from_iterator(CORPUS, trainer)
    backend.post_processor = processors.TemplateProcessing(
        "$A </s>", "$A </s> $B </s>", [("</s>", backend.token_to_id("</s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    )


def _gpt2() -> tuple[Any, Any]:
    tokenizer = byte_tokenizer("none")
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_positions=256, n_embd=WIDTH, n_layer=3, n_head=4, **_ends(tokenizer)
    )
    return transformers.GPT2LMHeadModel(config), tokenizer


def _opt() -> tuple[Any, Any]:
    tokenizer = byte_tokenizer("bos")
    config = transformers.OPTConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=256,
        hidden_size=WIDTH,
        ffn_dim=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        word_embed_proj_dim=WIDTH,
        **_ends(tokenizer),
    )
    return transformers.OPTForCausalLM(config), tokenizer


def _llama() -> tuple[Any, Any]:
    tokenizer = byte_tokenizer("bos")
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=256,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        **_ends(tokenizer),
    )
    return transformers.LlamaForCausalLM(config), tokenizer


def _roberta() -> tuple[Any, Any]:
    tokenizer = byte_tokenizer("roberta")
    config = transformers.RobertaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=258,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        type_vocab_size=1,
        **_ends(tokenizer),
    )
    return transformers.RobertaForMaskedLM(config), tokenizer


def _bert() -> tuple[Any, Any]:
    tokenizer = word_tokenizer()
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=256,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        pad_token_id=tokenizer.pad_token_id,
    )
    return transformers.BertForMaskedLM(config), tokenizer


def _t5() -> tuple[Any, Any]:
    tokenizer = sentence_tokenizer()
    config = transformers.T5Config(
        vocab_size=len(tokenizer),
        d_model=WIDTH,
        d_kv=8,
        d_ff=64,
        num_layers=3,
        num_heads=4,
        decoder_start_token_id=tokenizer.pad_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return transformers.T5ForConditionalGeneration(config), tokenizer


def _bart() -> tuple[Any, Any]:
    tokenizer = byte_tokenizer("roberta")
    config = transformers.BartConfig(
        vocab_size=len(tokenizer),
        d_model=WIDTH,
        encoder_layers=2,
        decoder_layers=3,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        max_position_embeddings=256,
        decoder_start_token_id=tokenizer.eos_token_id,
        forced_bos_token_id=tokenizer.bos_token_id,
        **_ends(tokenizer),
    )
    return transformers.BartForConditionalGeneration(config), tokenizer


def _ends(tokenizer: Any) -> dict[str, int]:
    return {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


BUILDERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "gpt2": _gpt2,
    "opt": _opt,
    "llama": _llama,
    "roberta": _roberta,
    "bert": _bert,
    "t5": _t5,
    "bart": _bart,
}
CAUSAL, MASKED, SEQ2SEQ = ("gpt2", "opt", "llama"), ("roberta", "bert"), ("t5", "bart")


@lru_cache
def tiny(name: str) -> tuple[Any, Any]:
    """(model, tokenizer); the weights are larger than usual so that states differ clearly from text to text.

    T5 begins with large weights and does not scale its attention: larger ones would only magnify rounding.
    """
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model, tokenizer = BUILDERS[name]()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1 and name != "t5":
                parameter.mul_(4)
    return model.eval(), tokenizer
