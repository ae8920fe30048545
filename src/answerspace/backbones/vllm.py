"""Causal language models run by vLLM: for models and corpora that want a GPU server's scheduler and paged cache.

vLLM's pooling runner gives the last layer's state (after the final norm) at the last position of a prompt, and its
prefix cache keeps what earlier prompts began with. Our prompts put the text first, so a text's second question finds
the text computed already; nothing is kept on our side. The states of later answer tokens are had the same way: the
prompt is sent again with 1, 2, ... answer tokens behind it, each a cache hit but for its end.

Written against vLLM 0.33 (``LLM(runner="pooling", convert="embed")``, ``LLM.embed``, ``LLM.generate``), tested
against a stub of these calls, not on hardware.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from answerspace.answers import Answered, Array, Asking, Sampling
from answerspace.backbones.prompt_tokens import PromptOptions, PromptTokens, special_tokens
from answerspace.errors import InputError, MissingExtra

Open = Callable[[str], Any]
"""Opens an engine by its runner, "pooling" or "generate": an object with ``vllm.LLM``'s ``embed`` or ``generate``."""


@dataclass(frozen=True)
class Shape:
    """What must be known of a model: blocks, width of its last states, positions (None: unlimited)."""

    layers: int
    dimension: int
    positions: int | None


class VllmBackbone:
    """Asks a causal LM that vLLM runs. The engines are opened when first needed.

    ``first_answer`` needs the pooling engine only; answers in words, ``mean_answer`` and ``last_answer`` also open
    the generating one, which holds the weights a second time. States of the prompt and of inner layers cannot be
    had: a cached prefix is not computed again, and the runner gives the last layer. ``sampling`` makes what
    ``generate`` takes from ``max_tokens``, ``temperature``, ``top_p`` and ``seed``: ``vllm.SamplingParams``.
    """

    kind = "causal"

    def __init__(
        self,
        name: str,
        tokenizer: Any,
        shape: Shape,
        open_engine: Open,
        options: PromptOptions | None = None,
        *,
        answer_tokens: int = 3,
        sampling: Callable[..., Any] = dict,
    ) -> None:
        self.name = name
        self.tokenizer = tokenizer
        self.options = options or PromptOptions()
        self.layers = shape.layers
        self.dimension = shape.dimension
        self.answer_tokens = answer_tokens
        self._positions = shape.positions
        self._open = open_engine
        self._sampling = sampling
        self.prompts = PromptTokens(
            tokenizer, self.options, capacity=shape.positions, slots=answer_tokens, keep_after=False
        )
        self.max_length = self.prompts.max_length
        self.special_ids = np.array(sorted(tokenizer.convert_tokens_to_ids(special_tokens(tokenizer))), np.int64)
        parts = repr((name, shape, self.options, answer_tokens, len(tokenizer)))
        self.fingerprint = "vllm-" + hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()

    # --- the protocol ----------------------------------------------------------------------------------------

    def read(self, texts: Sequence[str]) -> list[str]:
        """The texts themselves: what is kept of them is kept by vLLM's prefix cache."""
        return list(texts)

    def ask(self, read: list[str], instructions: Sequence[str], asking: Asking) -> Answered:
        """One request per text for the first state, one more for each further answer token."""
        wanted = self.answer_tokens if asking.answer_tokens is None else asking.answer_tokens
        self._check(asking, wanted)
        prompts = [
            self.prompts.prompt(text, question, wanted)[0] for text, question in zip(read, instructions, strict=True)
        ]
        answers = [[-1] for _ in prompts]
        if wanted:
            answers = self._generated(prompts, wanted, asking.sampling, list(zip(read, instructions, strict=True)))
        # 1) every state that predicts a token of an answer, in one list of requests
        lengths = np.array([len(answer) for answer in answers])
        slots = np.arange(lengths.max(initial=1)) < lengths[:, None]  # (B, n)
        requests = [
            [*prompt, *answer[:k]] for prompt, answer in zip(prompts, answers, strict=True) for k in range(len(answer))
        ]
        states = np.zeros((*slots.shape, self.dimension), np.float32)
        states[slots] = self._last_states(requests)
        # 2) the tokens they predict
        predicted = np.full(slots.shape, -1, np.int64)
        predicted[slots] = np.concatenate([np.zeros(0, np.int64), *(np.array(a, np.int64) for a in answers)])
        kept = slots & ~np.isin(predicted, [*self.special_ids, -1]) if wanted else slots
        words = [
            self.tokenizer.decode(row[keep].tolist(), skip_special_tokens=True).strip() if wanted else ""
            for row, keep in zip(predicted, kept, strict=True)
        ]
        return Answered(states, np.zeros_like(slots), slots, kept, slots, predicted, words)

    def head(self, states: Array) -> Array:
        """Always an InputError: vLLM's pooling runner leaves the language-model head out."""
        raise InputError(
            "Words for a difference of states need the model's head, which vLLM leaves out when it gives states. "
            "Got engine='vllm'; load the model with engine='torch'."
        )

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The text of each token on its own; a leading space marks the start of a word."""
        known = len(self.tokenizer)
        names = [self.tokenizer.convert_ids_to_tokens(int(i)) or "" if int(i) < known else "" for i in ids]
        return [name.replace("▁", " ").replace("Ġ", " ") for name in names]

    def token_ids(self, text: str) -> list[int]:
        """Ids of the string as it stands, without special tokens; begin it with a space for a word in a sentence."""
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    # --- steps -----------------------------------------------------------------------------------------------

    def _check(self, asking: Asking, wanted: int) -> None:
        if asking.layer % (self.layers + 1) != self.layers:
            raise InputError(f"layer must be -1 with vLLM, which gives the last layer only. Got {asking.layer}.")
        if asking.prompt_states:
            raise InputError(
                "aggregation must be first_answer, mean_answer, last_answer or a Reencode with vLLM, which does not "
                "compute a cached prompt's states again. Got one that looks at the prompt; load with engine='torch'."
            )
        if wanted < 0:
            raise InputError(f"answer_tokens must be at least 0. Got {wanted}.")
        if wanted and self.options.convention == "published":
            raise InputError(
                "aggregation must be first_answer, without words, under the published convention with vLLM. "
                "Got one that generates; load with engine='torch'."
            )
        if self._positions is not None and wanted >= self._positions:
            raise InputError(f"answer_tokens must be below this model's {self._positions} positions. Got {wanted}.")

    def _last_states(self, prompts: list[list[int]]) -> Array:
        """(K, D): the last layer's state at the end of each prompt."""
        found = self._pooling.embed([{"prompt_token_ids": ids} for ids in prompts], use_tqdm=False)
        rows = [np.asarray(one.outputs.embedding, np.float32) for one in found]
        return np.stack(rows) if rows else np.zeros((0, self.dimension), np.float32)

    def _generated(
        self, prompts: list[list[int]], wanted: int, sampling: Sampling | None, keys: list[tuple[str, str]]
    ) -> list[list[int]]:
        """The tokens of each answer, the end-of-sequence token that stops it included; never none."""
        drawn: list[dict[str, Any]]
        if sampling is None:
            drawn = [{"temperature": 0.0}] * len(prompts)
        else:
            drawn = [
                {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": _seed(sampling, *key)}
                for key in keys
            ]
        found = self._generating.generate(
            [{"prompt_token_ids": ids} for ids in prompts],
            [self._sampling(max_tokens=wanted, **each) for each in drawn],
            use_tqdm=False,
        )
        end = self.tokenizer.eos_token_id
        return [list(one.outputs[0].token_ids) or [-1 if end is None else end] for one in found]

    @cached_property
    def _pooling(self) -> Any:
        return self._open("pooling")

    @cached_property
    def _generating(self) -> Any:
        return self._open("generate")


def load_vllm(
    name: str, options: PromptOptions, *, dtype: str = "auto", revision: str | None = None, answer_tokens: int = 3,
    memory: float = 0.45, **engine_options: Any,
) -> VllmBackbone:  # fmt: skip
    """The backbone of a hub id or a folder. ``memory`` is the share of the GPU that each of the two engines may take.

    ``engine_options`` go to ``vllm.LLM`` (``tensor_parallel_size``, ``max_model_len``, ``enforce_eager``, ...).
    Raises MissingExtra without vLLM.
    """
    try:
        import transformers
        import vllm
        from vllm.config import PoolerConfig
    except ImportError as error:
        raise MissingExtra("The vLLM engine", "vllm") from error

    def open_engine(runner: str) -> Any:
        pooling: dict[str, Any] = {}
        if runner == "pooling":  # the raw last state: no normalisation, which comes after aggregation
            pooler = PoolerConfig(task="embed", pooling_type="LAST", use_activation=False)
            pooling = {"convert": "embed", "pooler_config": pooler}
        return vllm.LLM(
            model=name,
            runner=runner,
            dtype=dtype,
            revision=revision,
            enable_prefix_caching=True,
            gpu_memory_utilization=memory,
            **pooling,
            **engine_options,
        )

    source = {"revision": revision, "trust_remote_code": engine_options.get("trust_remote_code", False)}
    config = transformers.AutoConfig.from_pretrained(name, **source)
    tokenizer = transformers.AutoTokenizer.from_pretrained(name, **source)
    shape = Shape(
        layers=int(config.num_hidden_layers),
        dimension=int(getattr(config, "word_embed_proj_dim", None) or config.hidden_size),
        positions=getattr(config, "max_position_embeddings", None),
    )
    return VllmBackbone(
        name, tokenizer, shape, open_engine, options, answer_tokens=answer_tokens, sampling=vllm.SamplingParams
    )


def _seed(sampling: Sampling, text: str, instruction: str) -> int:
    """A seed of this text, question and draw alone, so that neither batch nor order changes an answer."""
    key = f"{sampling.seed}\0{sampling.draw}\0{instruction}\0{text}"
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=4).digest(), "big")
