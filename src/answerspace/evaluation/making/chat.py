"""A chat model behind an OpenAI-compatible endpoint, and how its answer is read."""

from __future__ import annotations

import json
from typing import Any, Protocol

from answerspace.errors import InputError, MissingExtra

DEFAULT_ENDPOINT = "https://api.openai.com/v1"
RETRIES = 4  # of the client itself, with growing pauses: for busy servers, not for bad answers
TIMEOUT = 120.0  # seconds for one answer


class Chat(Protocol):
    """Anything that answers a request under a role: the endpoint, or a function in a test."""

    def ask(self, role: str, request: str, temperature: float) -> str:
        """The answer as text."""
        ...


class EndpointChat:
    """``url`` ends before /chat/completions, as in http://localhost:8000/v1. Needs the make-tests extra."""

    def __init__(self, url: str, model: str, *, key: str = "", retries: int = RETRIES) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"--endpoint must start with http:// or https://. Got {url!r}.")
        try:
            import openai
        except ImportError as error:
            raise MissingExtra("Making tests", "make-tests") from error
        self.url, self.model = url, model
        self._errors: type[Exception] = openai.OpenAIError
        self._client: Any = openai.OpenAI(base_url=url, api_key=key or "none", max_retries=retries, timeout=TIMEOUT)

    def ask(self, role: str, request: str, temperature: float) -> str:
        """The answer; InputError when the endpoint cannot be reached, refuses, or gives no text."""
        messages = [{"role": "system", "content": role}, {"role": "user", "content": request}]
        try:
            answer = self._client.chat.completions.create(model=self.model, messages=messages, temperature=temperature)
            text = answer.choices[0].message.content
        except self._errors as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            raise InputError(f"{self.url} must answer as OpenAI's chat completions do. Got: {said[0]:.200}") from error
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise InputError(f"{self.url} must answer as OpenAI's chat completions do. Got no choices.") from error
        if not isinstance(text, str):
            raise InputError(f"{self.url} must answer with text. Got {type(text).__name__}.")
        return text

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def json_object(answer: str) -> dict[str, Any] | None:
    """The outermost JSON object in an answer, fenced or with words around it; None if there is none."""
    start, end = answer.find("{"), answer.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        value = json.loads(answer[start : end + 1])
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
