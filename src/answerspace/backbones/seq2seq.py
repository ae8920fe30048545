"""Encoder-decoder models (T5, BART): the encoder reads the prompt, the decoder gives the answer.

The encoder looks both ways, so a reading holds nothing but the texts and each question costs a full pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from answerspace.answers import Answered, Asking
from answerspace.backbones.decoding import decode, draws
from answerspace.backbones.layer_states import captured, find_blocks
from answerspace.backbones.prompt_tokens import PromptOptions, PromptTokens
from answerspace.backbones.torch_model import TorchModel, capacity, numbers, padded


class Seq2SeqBackbone(TorchModel):
    """Asks an encoder-decoder. Along T stand the encoder's positions, then the decoder's.

    The prompt's states are the encoder's, its closing token included. The slots are the decoder's from the last
    forced token on: T5 has one start token, BART's first free choice comes after ``</s><s>``. ``layer`` counts the
    decoder's blocks; the encoder gives the same layer, or its last when the decoder's last is asked for.
    """

    kind = "seq2seq"

    def __init__(
        self, model: Any, tokenizer: Any, options: PromptOptions | None = None, *, answer_tokens: int = 20
    ) -> None:
        super().__init__(model, tokenizer, options or PromptOptions(), model.get_decoder())
        self.answer_tokens = answer_tokens
        self.encoder = model.get_encoder()
        self.encoder_blocks = find_blocks(self.encoder)
        self.prompts = PromptTokens(tokenizer, self.options, capacity=capacity(model), cut_from="right")
        self.max_length = self.prompts.max_length
        generation = model.generation_config
        start, forced = model.config.decoder_start_token_id, generation.forced_bos_token_id
        self.opening = [start if start is not None else self.pad_id, *([] if forced is None else [forced])]
        self.stop_ids = stop_ids(model, tokenizer)
        self.special_ids = np.union1d(self.special_ids, self.stop_ids.cpu().numpy())  # never part of an answer

    def read(self, texts: Sequence[str]) -> list[str]:
        """The texts themselves: there is nothing to keep before the question is known."""
        return list(texts)

    @torch.inference_mode()
    def ask(self, read: list[str], instructions: Sequence[str], asking: Asking) -> Answered:
        """Encode the prompts, decode the answers."""
        layer = asking.layer % (self.layers + 1)
        count = len(self.encoder_blocks)
        encoder_layer = count if layer == self.layers else min(layer, count)
        wanted = self.answer_tokens if asking.answer_tokens is None else asking.answer_tokens
        # 1) the prompts through the encoder
        pairs = zip(read, instructions, strict=True)
        rows = [before + after for before, after in (self.prompts.prompt(text, question) for text, question in pairs)]
        ids, mask = padded(rows, self.pad_id)
        attention = self._tensor(mask)
        with self._lock:
            with captured(self.encoder, self.encoder_blocks, encoder_layer) as prompt:
                encoded = self.encoder(input_ids=self._tensor(ids), attention_mask=attention)
            # 2) the answer, token by token
            with captured(self.stack, self.blocks, layer) as found:
                cache: Any = None

                def feed(tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                    nonlocal cache
                    out = self.model(
                        encoder_outputs=encoded,
                        attention_mask=attention,
                        decoder_input_ids=tokens,
                        past_key_values=cache,
                        use_cache=True,
                    )
                    cache = out.past_key_values
                    return found.pop()[:, -1], out.logits[:, -1]

                steps = max(1, wanted)
                state, scores = feed(self._tensor([self.opening] * len(read)))
                decoded = decode(
                    state,
                    scores,
                    lambda tokens, live: feed(tokens[:, None]),
                    steps=steps,
                    stop_ids=self.stop_ids,
                    sampled=draws(asking.sampling, read, instructions, steps, self.device),
                )
        # 3) encoder positions, then decoder positions
        slots, predicted = decoded.slots.cpu().numpy(), decoded.ids.cpu().numpy()
        kept = slots & ~np.isin(predicted, self.special_ids)
        answers = self._words(predicted, kept) if wanted else [""] * len(read)
        predicted = np.where(slots, predicted, -1)
        if not asking.prompt_states:
            return Answered(numbers(decoded.states), np.zeros_like(slots), slots, kept, slots, predicted, answers)
        none = np.zeros_like(mask)
        return Answered(
            np.concatenate([numbers(prompt[0]), numbers(decoded.states)], 1),
            np.concatenate([mask, np.zeros_like(slots)], 1),
            np.concatenate([none, slots], 1),
            np.concatenate([none, kept], 1),
            np.concatenate([mask, slots], 1),
            np.concatenate([np.full(mask.shape, -1, np.int64), predicted], 1),
            answers,
        )

    def _dummy_inputs(self) -> dict[str, torch.Tensor]:
        inputs = super()._dummy_inputs()
        return {**inputs, "decoder_input_ids": inputs["input_ids"]}


def stop_ids(model: Any, tokenizer: Any) -> torch.Tensor:
    """The ids that end an answer: those of the generation settings, the config and the tokenizer."""
    found: set[int] = set()
    for ids in (model.generation_config.eos_token_id, model.config.eos_token_id, tokenizer.eos_token_id):
        found.update(ids if isinstance(ids, list) else [] if ids is None else [ids])
    return torch.tensor(sorted(found), dtype=torch.long, device=model.device)
