"""K-means runs, each done once: a run is known by the vectors' bytes, the number of clusters, algorithm and seed.

Equal vectors give equal runs, so an encoder that ignores the question is clustered once for all wordings of it, and a
run that was stopped, or asked for more seeds, does what is missing only.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans, MiniBatchKMeans
from threadpoolctl import threadpool_limits

from answerspace.answer_store import put_in_place
from answerspace.answers import Array
from answerspace.evaluation.protocol import Protocol

Labels = npt.NDArray[np.int32]
BATCH = 500  # the authors' mini-batch


class Clusterings:
    """Cluster numbers on disk under ``folder``, or in memory with None. ``threads`` seeds run side by side."""

    def __init__(self, folder: Path | None = None, *, threads: int | None = None) -> None:
        self.folder = folder
        self.threads = threads or os.cpu_count() or 1
        self._kept: dict[str, dict[int, Labels]] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def labels(
        self, vectors: Array, clusters: int, protocol: Protocol, advance: Callable[[], None] = lambda: None
    ) -> Labels:
        """(S, n) cluster numbers of the protocol's S seeds; ``advance`` is called once per seed."""
        vectors = np.ascontiguousarray(vectors, np.float32)
        digest = hashlib.blake2b(vectors.tobytes(), digest_size=16).hexdigest()
        key = f"{digest}-{clusters}-{protocol.algorithm}-{protocol.starts}"
        runs = self._load(key, len(vectors))
        missing = [seed for seed in protocol.run_seeds if seed not in runs]
        for _ in range(len(protocol.run_seeds) - len(missing)):
            advance()
        if missing:
            wanted = min(clusters, len({row.tobytes() for row in vectors}))
            pool = ThreadPoolExecutor(self.threads)
            try:
                found = pool.map(lambda seed: fit(vectors, wanted, protocol, seed), missing)
                for seed, run in zip(missing, found, strict=True):
                    runs[seed] = run
                    self._save(key, runs)  # a run that is stopped here keeps it
                    advance()
            finally:
                pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the seeds that run, not for those that queue
        return np.stack([runs[seed] for seed in protocol.run_seeds])

    def _load(self, key: str, n: int) -> dict[int, Labels]:
        if key in self._kept or self.folder is None:
            return dict(self._kept.get(key, {}))
        try:
            with (self.folder / f"{key}.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                runs = dict(zip(arrays["seeds"].tolist(), arrays["labels"].astype(np.int32), strict=True))
        except Exception:  # not there or damaged: the remedy is to compute it again
            return {}
        return runs if all(len(one) == n for one in runs.values()) else {}

    def _save(self, key: str, runs: dict[int, Labels]) -> None:
        if self.folder is None:
            self._kept[key] = runs
            return
        seeds, labels = np.array(list(runs)), np.stack(list(runs.values()))
        with put_in_place(self.folder / f"{key}.npz") as part, part.open("wb") as file:
            np.savez(file, seeds=seeds, labels=labels.astype(np.uint16 if labels.max() < 2**16 else np.int32))


def fit(vectors: Array, clusters: int, protocol: Protocol, seed: int) -> Labels:
    """(n,) cluster numbers of one run, on one thread: seeds run side by side instead."""
    if clusters < 2:
        return np.zeros(len(vectors), np.int32)
    if protocol.algorithm == "minibatch":
        model = MiniBatchKMeans(clusters, batch_size=BATCH, n_init="auto", random_state=seed)
    else:
        model = KMeans(clusters, n_init=protocol.starts, random_state=seed)
    with threadpool_limits(1):
        return np.asarray(model.fit_predict(vectors), np.int32)
