"""The hidden states of one layer of a transformers model, without keeping those of the others.

Layer 0 is what enters the first block, layer l < L what enters block l, layer L the output of the whole stack (after
its final norm): the numbering of transformers' ``hidden_states``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from answerspace.errors import ModelError


def find_blocks(stack: nn.Module) -> nn.ModuleList:
    """The list of a stack's blocks. Raises ModelError when it has none that can be found."""
    config = getattr(stack, "config", None)
    counts = {getattr(config, name, None) for name in ("num_hidden_layers", "encoder_layers", "decoder_layers")}
    for blocks in stack.modules():  # outermost first
        if isinstance(blocks, nn.ModuleList) and len(blocks) in counts:
            return blocks
    raise ModelError(f"A model must be a list of blocks, one per layer. Got {type(stack).__name__}, which is not.")


@contextmanager
def captured(stack: nn.Module, blocks: nn.ModuleList, layer: int) -> Iterator[list[torch.Tensor]]:
    """Within the context every forward pass of ``stack`` appends its (B, S, D) states at ``layer`` to the list."""
    states: list[torch.Tensor] = []
    if layer == len(blocks):
        hook = stack.register_forward_hook(lambda module, args, output: states.append(output[0]))
    else:

        def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            states.append(args[0] if args else kwargs["hidden_states"])

        hook = blocks[layer].register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield states
    finally:
        hook.remove()


@contextmanager
def replaced_output(stack: nn.Module, states: torch.Tensor) -> Iterator[None]:
    """Within the context ``stack`` gives ``states`` whatever it is fed, so that a model's own head can be run on them.

    Every architecture scales, biases or projects before its head in its own way; this leaves that to the model.
    """

    def after(module: nn.Module, args: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (states, *output[1:])
        output[next(iter(output))] = states
        return output

    hook = stack.register_forward_hook(after)
    try:
        yield
    finally:
        hook.remove()
