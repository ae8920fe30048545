"""From a trained network to a folder that ``Embedder.load`` takes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors.torch import save_file

from answerspace.backbones.bundled import CONFIG
from answerspace.engines.bundled_network import BundledNetwork
from answerspace.training.graphs import WEIGHTS, write_graphs


def export(network: BundledNetwork, start: Path, folder: Path, card: str) -> None:
    """Write weights (half precision), graphs, vocabulary, config and card; ``start`` has the ``tokenizer.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().half().contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)
    write_graphs(folder, network.config)
    shutil.copyfile(start / "tokenizer.json", folder / "tokenizer.json")
    settings = {"aggregation": "mean_answer", "layer": -1, "normalize": True, "convention": "answerspace"}
    stored = {"kind": "bundled", "version": 1, "network": network.config.to_dict(), "settings": settings}
    (folder / CONFIG).write_text(json.dumps(stored, indent=1) + "\n", "utf-8")
    (folder / "README.md").write_text(card, "utf-8")
