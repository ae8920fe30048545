"""An Embedder as an mteb 2.x encoder: mteb's prompt is the question.

    import mteb
    from answerspace.evaluation.mteb.model import MtebEncoder

    mteb.evaluate(MtebEncoder("bundled"), mteb.get_tasks(tasks=["TwentyNewsgroupsClustering"]))

mteb has one prompt per task (and per side: query, document). It is put to every text as the question it is; where a
retrieval query carries an instruction of its own, that instruction is its question. ``prompts`` words them anew, by
task name, task type or side, as for any instruction model of mteb.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from answerspace.answers import Array
from answerspace.embedder import DEFAULT_BATCH, Embedder
from answerspace.errors import InputError, MissingExtra

try:
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ModelMeta, ScoringFunction
except ModuleNotFoundError as error:
    raise MissingExtra("The mteb encoder", "mteb") from error

if TYPE_CHECKING:
    from collections.abc import Iterable

BUNDLED = "bundled"
PLAIN_QUESTION = "What is the text about?"  # for a task without a prompt
REFERENCE = "https://arxiv.org/abs/2402.09642"


class MtebEncoder(AbsEncoder):  # type: ignore[misc]
    """What mteb asks of a model. ``model_name`` is "bundled", a folder, a preset or a hub id; ``loading`` its options.

    An ``embedder`` that is there already is used as it is. Raises ModelError for a name that is no model.
    """

    def __init__(
        self,
        model_name: str = BUNDLED,
        revision: str | None = None,
        *,
        device: str | None = None,
        embedder: Embedder | None = None,
        prompts: Mapping[str, str] | None = None,
        **loading: Any,
    ) -> None:
        if embedder is None:
            asked = {"revision": revision, "device": device, **loading}
            options = {name: value for name, value in asked.items() if value is not None}
            embedder = Embedder.load(None if model_name == BUNDLED else model_name, **options)
        self.model = embedder
        self.prompts_dict = dict(prompts or {})
        self.mteb_model_meta = _meta(model_name, revision, embedder)

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        batch_size: int = DEFAULT_BATCH,
        **kwargs: Any,
    ) -> Array:
        """(n, d) float32 vectors of the texts of all batches; InputError for a batch without texts."""
        texts: list[str] = []
        own: list[str] = []
        for batch in inputs:
            asked = batch.get("instruction")
            found = batch.get("query", batch.get("text")) if asked is not None else batch.get("text")
            if found is None:
                raise InputError(f"The embedder reads text. Got a batch of {', '.join(batch) or 'nothing'}.")
            texts += found
            own += [""] * len(found) if asked is None else [one or "" for one in asked]
        question = self.get_task_instruction(task_metadata, prompt_type) or PLAIN_QUESTION
        if not any(own):
            return np.asarray(self.model.encode(texts, question, batch_size=batch_size))
        questions = [one or question for one in own]
        return np.asarray(self.model.encode(texts, questions, paired=True, batch_size=batch_size))


def _meta(model_name: str, revision: str | None, embedder: Embedder) -> Any:
    """mteb keeps results by name and revision; ours changes with whatever changes the vectors."""
    from answerspace import __version__

    short = model_name.rstrip("/").rsplit("/", 1)[-1]
    return ModelMeta.create_empty(
        overwrites={
            "name": model_name if model_name.count("/") == 1 and model_name[0] not in "./~" else f"answerspace/{short}",
            "revision": revision or f"{__version__}-{embedder.backbone.fingerprint[:16]}",
            "languages": ["eng-Latn"],
            "max_tokens": embedder.backbone.max_length,
            "embed_dim": embedder.dimension,
            "similarity_fn_name": ScoringFunction.COSINE,
            "use_instructions": True,
            "reference": REFERENCE,
            "loader": MtebEncoder,
        }
    )
