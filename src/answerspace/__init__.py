"""Instruction-following text embedding: read a corpus once, ask it many questions.

>>> from answerspace import Embedder
>>> embedder = Embedder.load()
>>> vectors = embedder.encode(["The soup was cold."], instruction="What is being reviewed?")
"""

from answerspace.embedder import Embedder
from answerspace.errors import AnswerspaceError, InputError, InternalError, MissingExtra, ModelError
from answerspace.reading import Reading

__version__ = "0.1.0"
__all__ = [
    "AnswerspaceError",
    "Embedder",
    "InputError",
    "InternalError",
    "MissingExtra",
    "ModelError",
    "Reading",
]
