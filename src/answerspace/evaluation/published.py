"""Published clustering sets at their authors' instructions: FewRel, FewNerd, Feedbacks (arXiv 2402.09642, Table 2).

The published figures come from one mini-batch k-means run, which moves by two or three points from seed to seed;
these are means over full k-means runs.
"""

from __future__ import annotations

from pathlib import Path

from answerspace.evaluation.gold_files import read_rows
from answerspace.evaluation.scores import Score, over_seeds
from answerspace.evaluation.tasks import Clusters, run_clusters
from answerspace.protocols import Encoder

INSTRUCTIONS = {
    "fewrel": "Here is a sentence. Please tell me the relation type between two specified entities appended after "
    "the sentence.",
    "fewnerd": "Here is a sentence. Please tell me the type of the specified entity appended after the sentence.",
    "feedbacks": "Here is a human feedback on machine-generated text. Categorize the type of reason why the human "
    "like or dislike it.",
}


def read_published(folder: str | Path) -> list[Clusters]:
    """The sets ``fewrel.jsonl``, ``fewnerd.jsonl``, ``feedbacks.jsonl`` (text, cluster) of a folder."""
    sets = []
    for name, instruction in INSTRUCTIONS.items():
        rows = read_rows(Path(folder) / f"{name}.jsonl", ("text", "cluster"))
        sets.append(Clusters(name, instruction, [row["text"] for row in rows], [row["cluster"] for row in rows]))
    return sets


def evaluate_published(
    encoder: Encoder, sets: list[Clusters], *, seeds: int = 10, centre: bool = False
) -> dict[str, Score]:
    """V-measure x 100 by set."""
    return {f"V {one.name}": over_seeds(run_clusters(encoder, one, seeds=seeds, centre=centre)) for one in sets}
