"""The protocol of a run: how often k-means starts, what a delta is, whether vectors are centred. No number without it.

``published`` repeats the InBedder authors' evaluation: one mini-batch k-means with one start, whose V-measure moves by
two to three points from seed to seed. ``robust`` is what a comparison should rest on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from answerspace.errors import InputError

PUBLISHED_SEED = 42  # the authors' global numpy seed


@dataclass(frozen=True)
class Protocol:
    """``algorithm`` is "kmeans" or "minibatch"; ``delta`` "means" or "min-max"; ``resamples`` of the bootstrap.

    ``wording_seeds`` is the number of seeds per instruction of a wording list, whose scores are means over ten
    instructions anyway; None is ``seeds``.
    """

    name: str
    algorithm: str
    seeds: int
    starts: int
    delta: str
    centre: bool = False
    resamples: int = 1_000
    wording_seeds: int | None = None

    @property
    def sentence(self) -> str:
        """What a table says under its numbers."""
        if self.algorithm == "kmeans":
            many = f"{self.seeds} seed{'' if self.seeds == 1 else 's'} of full k-means with {self.starts} starts each"
            if self.wording_seeds not in (None, self.seeds):
                many += f" ({self.wording_seeds} per instruction of a wording list)"
        else:
            many = "one mini-batch k-means run with one start, as in the authors' code"
        deltas = "means" if self.delta == "means" else "minimum and maximum, as in the authors' code"
        centred = ", each question's mean vector taken out (pairs excepted)" if self.centre else ""
        return f"protocol {self.name}: {many}, deltas of {deltas}{centred}"

    @property
    def run_seeds(self) -> list[int]:
        """The k-means seeds of a run."""
        return [PUBLISHED_SEED] if self.algorithm == "minibatch" else list(range(self.seeds))

    @property
    def for_wordings(self) -> Protocol:
        """The protocol of a single instruction of a wording list."""
        return self if self.wording_seeds is None else replace(self, seeds=self.wording_seeds)

    def facts(self) -> dict[str, Any]:
        """The protocol as the result document shows it."""
        return asdict(self) | {"sentence": self.sentence}


PROTOCOLS = {
    "robust": Protocol("robust", "kmeans", seeds=10, starts=10, delta="means"),
    "published": Protocol("published", "minibatch", seeds=1, starts=1, delta="min-max"),
}


def make_protocol(
    name: str = "robust", *, seeds: int | None = None, wording_seeds: int | None = None, centre: bool = False
) -> Protocol:
    """A protocol of PROTOCOLS, with fewer or more seeds if asked; only robust has seeds to choose."""
    if name not in PROTOCOLS:
        raise InputError(f"--protocol must be one of {', '.join(PROTOCOLS)}. Got {name!r}.")
    chosen = PROTOCOLS[name]
    for option, value in (("--seeds", seeds), ("--wording-seeds", wording_seeds)):
        if value not in (None, 1) and name == "published":
            raise InputError(
                f"--protocol published is a single run. Got {option} {value}; leave it out or take robust."
            )
    many = chosen.seeds if seeds is None else seeds
    return replace(chosen, seeds=many, wording_seeds=wording_seeds, centre=centre)
