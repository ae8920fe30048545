"""Runs the bundled network in torch: the reference for the other engines, on any torch device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from answerspace.engines.bundled_config import BundledConfig
from answerspace.engines.bundled_network import BundledNetwork
from answerspace.protocols import Engine


def load_network(weights: Path, config: BundledConfig, device: str = "cpu") -> BundledNetwork:
    """The network with the weights of a file, in float32, for inference."""
    network = BundledNetwork(config)
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(weights).items()})
    return network.to(device).eval().requires_grad_(False)


class TorchReader:
    """``read.onnx`` in torch, with the same names; keys and values stay in float32."""

    def __init__(self, network: BundledNetwork) -> None:
        self.network = network

    @torch.inference_mode()
    def run(self, inputs: Mapping[str, np.ndarray], outputs: list[str] | None = None) -> dict[str, np.ndarray]:
        """Named arrays in, named arrays out."""
        device = self.network.projection.weight.device
        ids, mask = (torch.from_numpy(inputs[name]).to(device) for name in ("ids", "mask"))
        read = self.network.read(ids, mask)
        weights = mask[..., None].float()
        made = {"pooled": (read[-1] * weights).sum(1) / weights.sum(1)}
        for i, (key, value) in enumerate(self.network.text_pairs(read)):
            made[f"key_{i}"], made[f"value_{i}"] = key.transpose(2, 3), value
        return {name: made[name].cpu().numpy() for name in outputs or made}


class TorchAsker:
    """``ask.onnx`` in torch, with the same names."""

    def __init__(self, network: BundledNetwork) -> None:
        self.network = network

    @torch.inference_mode()
    def run(self, inputs: Mapping[str, np.ndarray], outputs: list[str] | None = None) -> dict[str, np.ndarray]:
        """Named arrays in, named arrays out."""
        device = self.network.projection.weight.device
        given = {name: torch.from_numpy(np.asarray(array)).to(device) for name, array in inputs.items()}
        pairs = [
            (given[f"key_{i}"].float().transpose(2, 3), given[f"value_{i}"].float())
            for i in range(self.network.config.layers)
        ]
        states = self.network.ask(pairs, given["text_mask"], given["ids"], given["mask"])
        made = {f"states_{i}": state for i, state in enumerate(states)}
        return {name: made[name].cpu().numpy() for name in outputs or made}


class TorchHead:
    """``head.onnx`` in torch, with the same names."""

    def __init__(self, network: BundledNetwork) -> None:
        self.network = network

    @torch.inference_mode()
    def run(self, inputs: Mapping[str, np.ndarray], outputs: list[str] | None = None) -> dict[str, np.ndarray]:
        """Named arrays in, named arrays out."""
        states = torch.from_numpy(inputs["states"]).to(self.network.projection.weight.device)
        return {"scores": self.network.scores(states).cpu().numpy()}


TORCH_ENGINES: dict[str, Callable[[BundledNetwork], Engine]] = {
    "read": TorchReader,
    "ask": TorchAsker,
    "head": TorchHead,
}
