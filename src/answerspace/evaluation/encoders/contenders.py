"""Contenders: the encoders of a run by the words of the command line. Each is made when its turn comes.

bundled | FOLDER | HUB-ID                 ours, in every asked variation of layer, aggregation and filter
minilm | minilm-prefix | minilm-suffix    all-MiniLM-L6-v2
random                                    chance
st:NAME[+alone|prefix|suffix|colon|prompt]   any sentence-transformers model
instructor:NAME                           an Instructor-style model
http:MODEL@URL[+alone|prefix|suffix|field]   an OpenAI-compatible endpoint
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from answerspace.aggregation import Aggregation, Reencode, canonical_name
from answerspace.answer_filter import AnswerFilter
from answerspace.answers import Array
from answerspace.embedder import DEFAULT_BATCH, Embedder
from answerspace.errors import InputError
from answerspace.evaluation.encoders.baselines import (
    JOINED,
    MINILM,
    PROMPT,
    InstructorBaseline,
    RandomEncoder,
    SentenceTransformerBaseline,
    check_join,
)
from answerspace.evaluation.encoders.endpoint import FIELD, EndpointEncoder
from answerspace.evaluation.encoders.own import EmbedderVariation
from answerspace.evaluation.results import EncoderFacts
from answerspace.protocols import Encoder

BUNDLED = "bundled"
REFERENCE = "minilm"  # what generic quality is measured against
FILTERS = {"off": (False,), "on": (True,), "both": (False, True)}
NAMED: dict[str, tuple[str, Callable[[], Encoder]]] = {
    REFERENCE: ("alone", lambda: SentenceTransformerBaseline(MINILM, "alone")),
    "minilm-prefix": ("prefix", lambda: SentenceTransformerBaseline(MINILM, "prefix")),
    "minilm-suffix": ("suffix", lambda: SentenceTransformerBaseline(MINILM, "suffix")),
    "random": ("none", RandomEncoder),
}
REENCODED: dict[str | None, dict[str, Any]] = {  # the authors' two ways of drawing answers
    "reencode": {"samples": 1},
    "reencode_10": {"samples": 10, "temperature": 0.8},
}
SCHEMES = ("st:NAME", "instructor:NAME", "http:MODEL@URL")


@dataclass(frozen=True)
class Contender:
    """A column of the tables and how to make its encoder."""

    facts: EncoderFacts
    make: Callable[[], Encoder]


def baseline(word: str, *, key: str = "") -> Contender:
    """The contender that a word of --baseline names; ``key`` is the endpoint's."""
    if word in NAMED:
        joined, make = NAMED[word]
        return _contender(word, make, model=word.split("-")[0], join=joined)
    scheme, _, rest = word.partition(":")
    name, plus, joined = rest.rpartition("+")
    if not plus:
        name, joined = rest, ""
    if scheme == "st" and name:
        joined = check_join(joined or "alone", (*JOINED, PROMPT))
        return _contender(word, lambda: SentenceTransformerBaseline(name, joined), model=name, join=joined)
    if scheme == "instructor" and rest:
        return _contender(word, lambda: InstructorBaseline(rest), model=rest, join="pair")
    model, at, url = name.partition("@")
    if scheme == "http" and at and model:
        joined = check_join(joined or "prefix", (*JOINED, FIELD))
        return _contender(word, lambda: EndpointEncoder(url, model, joined, key=key), model=model, join=joined)
    raise InputError(f"--baseline must be one of {', '.join((*NAMED, *SCHEMES))}. Got {word!r}.")


def models(
    words: Sequence[str],
    load: Callable[[str | None], Any],
    *,
    layers: Sequence[int] = (),
    aggregations: Sequence[str] = (),
    filters: str = "off",
    reencoder: str = MINILM,
    batch_size: int = DEFAULT_BATCH,
) -> list[Contender]:
    """Every model in every asked variation; ``load`` gives the embedder of a name, None for the bundled one.

    The variations of one model share what ``load`` gave, which is kept until another model's turn comes. The
    aggregation "reencode" puts the answers through ``reencoder``, a sentence-transformers model; "reencode-10" does
    it with ten samples.
    """
    if filters not in FILTERS:
        raise InputError(f"--filter must be one of {', '.join(FILTERS)}. Got {filters!r}.")
    loaded: dict[str, Any] = {}

    def embedder(word: str) -> Any:
        if word not in loaded:
            loaded.clear()
            loaded[word] = load(None if word == BUNDLED else word)
        return loaded[word]

    found = []
    for word, layer, aggregation, filtered in product(
        words, [*layers] or (None,), [*aggregations] or (None,), FILTERS[filters]
    ):
        varied: dict[str, Any] = {"layer": layer, "aggregation": aggregation}
        options = {name: value for name, value in varied.items() if value is not None}
        if filters != "off":
            options["filter"] = filtered
        said = [f"layer {layer}"] * (layer is not None) + [str(aggregation)] * (aggregation is not None)
        said += ["filtered"] * filtered
        name = word + (f" ({', '.join(said)})" if said else "")
        varied |= {"filter": filtered, "batch_size": batch_size}

        def make(word: str = word, varied: dict[str, Any] = varied, asked: bool = bool(options)) -> Encoder:
            return _variation(embedder(word), varied, asked, word, reencoder)

        found.append(Contender(EncoderFacts(name, "model", {"model": word, **options}), make))
    return found


def load_options(words: Sequence[str]) -> dict[str, Any]:
    """The loading options (``loading.LoadOptions``) that words such as "dtype=bfloat16" or "masks=3" give."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            raise InputError(f"--load must be a loading option such as dtype=bfloat16. Got {word!r}.")
        found[name] = {"true": True, "false": False}.get(value, int(value) if value.isdecimal() else value)
    return found


def _variation(embedder: Any, varied: dict[str, Any], asked: bool, word: str, reencoder: str) -> Encoder:
    if isinstance(embedder, Embedder):
        published = embedder.settings.convention == "published"
        return EmbedderVariation(
            embedder,
            layer=varied["layer"],
            batch_size=varied["batch_size"],
            aggregation=_aggregation(varied["aggregation"], reencoder),
            answer_filter=AnswerFilter(published=published) if varied["filter"] else None,
        )
    if asked:
        raise InputError(f"--layer, --aggregation and --filter need a model of ours. Got {word!r}.")
    found: Encoder = embedder
    return found


def _aggregation(name: str | None, reencoder: str) -> Aggregation | None:
    plain = name and canonical_name(name)
    if plain not in REENCODED:
        return name
    return Reencode(_Alone(SentenceTransformerBaseline(reencoder)), **REENCODED[plain])


@dataclass(frozen=True)
class _Alone:
    """An encoder of answers, which come without a question."""

    baseline: SentenceTransformerBaseline

    def encode(self, texts: Sequence[str]) -> Array:
        return self.baseline.encode(texts, instruction="")


def _contender(name: str, make: Callable[[], Encoder], **options: str) -> Contender:
    return Contender(EncoderFacts(name, "baseline", dict(options)), make)
