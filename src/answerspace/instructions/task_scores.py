"""The arithmetic of ICT and IIS: vectors and labels in, numbers out.

ICT is the published protocol (k-means with as many clusters as labels, Euclidean, raw vectors, one start) over ten
seeds where the authors ran one. Silhouettes are given on gold labels too: on its own clusters a degenerate space
scores well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.metrics import (
    adjusted_rand_score,
    homogeneity_score,
    roc_auc_score,
    silhouette_score,
    v_measure_score,
)
from sklearn.metrics.cluster import contingency_matrix

from answerspace.answers import Array
from answerspace.errors import InputError
from answerspace.evaluation.scores import pair_spearman

Scores = dict[str, float]  # between 0 and 1


def ict_scores(vectors: Array, labels: Sequence[str], *, seeds: int = 10) -> Scores:
    """ARI, purity, homogeneity, V-measure and silhouettes of k-means as means over seeds; ``ari sd`` is their spread.

    ``vectors`` (n, d); k is the number of labels, or of distinct vectors where these are fewer.
    """
    gold = np.unique(np.asarray(labels), return_inverse=True)[1]
    if len(vectors) != len(gold):
        raise InputError(f"There must be one vector a label. Got {len(vectors)} vectors and {len(gold)} labels.")
    k = min(int(gold.max()) + 1, len(np.unique(vectors, axis=0)))
    runs = []
    for seed in range(seeds):
        found = KMeans(k, random_state=seed, n_init="auto").fit_predict(vectors)
        runs.append(
            {
                "ari": adjusted_rand_score(gold, found),
                "purity": purity(gold, found),
                "homogeneity": homogeneity_score(gold, found),
                "v": v_measure_score(gold, found),
                "silhouette": silhouette_score(vectors, found) if seed == 0 else np.nan,
            }
        )
    scores = {name: float(np.nanmean([run[name] for run in runs])) for name in runs[0]}
    scores["ari sd"] = float(np.std([run["ari"] for run in runs], ddof=1)) if seeds > 1 else 0.0
    scores["silhouette gold"] = float(silhouette_score(vectors, gold))
    return scores


def purity(gold: npt.ArrayLike, found: npt.ArrayLike) -> float:
    """Share of rows that carry their cluster's most frequent label."""
    table = contingency_matrix(gold, found)
    return float(table.max(0).sum() / table.sum())


def pair_scores(cosines: Array, same: Sequence[bool]) -> Scores:
    """Spearman of (n,) cosines with the verdicts, the most it can be for binary verdicts, and the ROC AUC.

    A binary verdict with a share p of positives caps Spearman's correlation at sqrt(3 p (1 - p)).
    """
    p = float(np.mean(same))
    return {
        "spearman": pair_spearman(cosines, np.asarray(same, np.float64)) / 100,
        "cap": float(np.sqrt(3 * p * (1 - p))),
        "auc": float(roc_auc_score(same, cosines)),
    }
