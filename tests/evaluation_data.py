"""Little data folders in the layouts that evaluate reads, and encoders whose scores are known beforehand."""

from __future__ import annotations

import json
from pathlib import Path

from answerspace.evaluation.encoders.baselines import GoldEncoder, RandomEncoder
from answerspace.evaluation.encoders.contenders import Contender
from answerspace.evaluation.results import EncoderFacts
from answerspace.evaluation.tasks.content import read_content
from answerspace.evaluation.tasks.rows import Data

WRITTEN = Path(__file__).parent / "data" / "written_small"


class Blind:
    """Ignores the question and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls = []

    def encode(self, texts, *, instruction):
        self.calls.append((list(texts), instruction))
        return RandomEncoder(16).encode(texts, instruction="")


class Oracle:
    """The gold answers plus a little noise that depends on text and question, so that nothing ties by accident."""

    def __init__(self, tasks, data):
        self.gold = GoldEncoder.of([read_content(task, data) for task in tasks])

    def encode(self, texts, *, instruction):
        known = (instruction, texts[0]) in self.gold.answers  # the probe is not
        noise = RandomEncoder(self.gold.dimension).encode(texts, instruction=instruction)
        return (self.gold.encode(texts, instruction=instruction) if known else 0) + 0.01 * noise


def contender(name, encoder, role="model"):
    return Contender(EncoderFacts(name, role), lambda: encoder)


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def written_with_lists(folder):
    """The small written folder with three instructions of each kind for one criterion."""
    folder.mkdir()
    for path in WRITTEN.iterdir():
        (folder / path.name).write_text(path.read_text())
    kinds = {
        "correct": ["Where is it?", "Name the place.", "Which room?"],
        "implicit": ["What surrounds the speaker?", "What would one see there?", "Step inside: where are you?"],
        "incorrect": ["How many words?", "Who wrote it?", "Translate it."],
    }
    lists = {"notes.place": {"original": "Where does it happen?"} | kinds}
    (folder / "robustness.json").write_text(json.dumps(lists))
    return Data(folder)
