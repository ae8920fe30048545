"""A model small enough to train in a second on a CPU: frozen text vectors, and a linear map to the answer's vector.

From the vectors of input x and instruction d it predicts the vector of the answer by ridge regression on
[x, d, x * d, 1]; a choice is ranked by its cosine with the prediction. It stands in for a language model where many
training runs are compared; it is no substitute for one, and on tasks that need reasoning it stays at chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from answerspace.task_selection.instruction_vectors import InstructionEncoder
from answerspace.task_selection.mixture import MixedExample
from answerspace.task_selection.task_scores import unit
from answerspace.task_selection.transfer_experiment import Learner, Target, Trained

Numbers = npt.NDArray[np.float64]
RIDGE = 1.0


@dataclass(frozen=True)
class AnswerPredictor:
    """``weights`` (3 d + 1, d) and the mean answer (d,)."""

    weights: Numbers
    mean: Numbers

    @classmethod
    def fit(cls, inputs: Numbers, instructions: Numbers, answers: Numbers, ridge: float = RIDGE) -> AnswerPredictor:
        """Fit on (n, d) unit vectors of inputs, instructions and answers."""
        features = _features(inputs, instructions)
        mean = answers.mean(0)
        gram = features @ features.T  # the dual form: n is small
        dual = np.linalg.solve(gram + ridge * np.eye(len(gram)), answers - mean)
        return cls(features.T @ dual, mean)

    def choice_scores(self, inputs: Numbers, instruction: Numbers, choices: Numbers) -> Numbers:
        """(n, c) cosines of the predicted answers with the vectors of the choices (c, d), their mean taken out."""
        told = _features(inputs, np.broadcast_to(instruction, inputs.shape)) @ self.weights + self.mean
        centred = choices - choices.mean(0)
        said = told - choices.mean(0)
        lengths = np.linalg.norm(said, axis=1, keepdims=True) * np.linalg.norm(centred, axis=1)[None, :]
        return np.asarray((said @ centred.T) / np.maximum(lengths, 1e-12))


def predictor_learner(encode: InstructionEncoder) -> Learner:
    """Trains an AnswerPredictor on the encoder's vectors; give an encoder that remembers."""

    def train(mixture: Sequence[MixedExample], seed: int) -> Trained:
        distinct = list(dict.fromkeys((one.input, one.instruction, one.output) for one in mixture))
        inputs, instructions, answers = (unit(encode([row[i] for row in distinct])) for i in range(3))
        return _Predictor(AnswerPredictor.fit(inputs, instructions, answers), encode)

    return Learner(f"ridge {RIDGE}", train)


@dataclass(frozen=True)
class _Predictor:
    model: AnswerPredictor
    encode: InstructionEncoder

    def scores(self, target: Target) -> Numbers:
        inputs = unit(self.encode([text for text, _ in target.examples]))
        instruction = unit(self.encode([target.task.instructions[0]]))
        return self.model.choice_scores(inputs, instruction, unit(self.encode(list(target.choices))))


def _features(inputs: Numbers, instructions: Numbers) -> Numbers:
    scale = np.sqrt(inputs.shape[1])  # so that the products weigh about as much as the vectors
    return np.hstack([inputs, instructions, scale * inputs * instructions, np.ones((len(inputs), 1))])
