"""An OpenAI-compatible embeddings endpoint as an encoder: POST {url}/embeddings with the standard library.

The protocol has no field for an instruction, so the question is joined to the text; with ``field`` it is sent as the
extra key "instruction", which answerspace's own server and a few others read.
"""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

import numpy as np

from answerspace.answers import Array
from answerspace.errors import InputError
from answerspace.evaluation.encoders.baselines import JOINED, check_join

FIELD = "field"
TRIES = 3
TIMEOUT = 120  # seconds for one batch


class EndpointEncoder:
    """``url`` ends before /embeddings, as in http://localhost:8000/v1. ``joined``: alone, prefix, suffix or field."""

    def __init__(
        self, url: str, model: str, joined: str = "prefix", *, key: str = "", batch_size: int = 64, pause: float = 1.0
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"An endpoint must start with http:// or https://. Got {url!r}.")
        self.joined = check_join(joined, (*JOINED, FIELD))
        self.blind = joined == "alone"
        self.url = url.rstrip("/") + "/embeddings"
        self.model, self.key, self.batch_size, self.pause = model, key, batch_size, pause

    def encode(self, texts: Sequence[str], *, instruction: str) -> Array:
        """(n, d) vectors as the endpoint gives them; InputError when it cannot be reached or answers with nonsense."""
        join = JOINED.get(self.joined, JOINED["alone"])
        inputs = [join(text, instruction) for text in texts]
        extra = {"instruction": instruction} if self.joined == FIELD else {}
        rows: list[Array] = []
        for at in range(0, len(inputs), self.batch_size):
            rows += self._batch(inputs[at : at + self.batch_size], extra)
        if len({len(row) for row in rows}) > 1:
            raise InputError(f"{self.url} must give vectors of one length. Got several.")
        return np.stack(rows) if rows else np.zeros((0, 0), np.float32)

    def _batch(self, inputs: list[str], extra: dict[str, str]) -> list[Array]:
        body = json.dumps({"model": self.model, "input": inputs, **extra}).encode()
        answer = self._post(body)
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, list) or len(data) != len(inputs):
            got = len(data) if isinstance(data, list) else "none"
            raise InputError(f"{self.url} must give one vector per text. Got {got} for {len(inputs)} texts.")
        try:
            ordered = sorted(data, key=lambda one: one["index"])
            return [_vector(one["embedding"]) for one in ordered]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.url} must answer as OpenAI's embeddings do. Got data without {error}.") from None

    def _post(self, body: bytes) -> Any:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        said = ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(self.pause * 2 ** (attempt - 1))
            try:
                request = urllib.request.Request(self.url, body, headers)
                with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                    return json.loads(response.read())
            except urllib.error.HTTPError as error:
                with error:
                    said = f"{error.code} {error.read(200).decode(errors='replace')}".strip()
                if error.code < 500 and error.code != 429:  # asking again would not help
                    break
            except (OSError, ValueError) as error:
                said = str(error)
        raise InputError(f"{self.url} must answer. Got: {said:.200}")


def _vector(value: Any) -> Array:
    if isinstance(value, str):  # encoding_format base64, which some servers send unasked
        return np.frombuffer(base64.b64decode(value), "<f4").astype(np.float32)
    return np.asarray(value, np.float32)
