"""Templates: how a text and an instruction become one prompt.

A rendered prompt is a list of pieces, each a literal of the template, the text or the instruction. The form is split
once, when the template is made, so nothing a text contains ("{instruction}", "<mask>", "### Response:") is ever read
as part of the template. Knows nothing of tokens; ``backbones.prompt_tokens`` turns pieces into ids.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from answerspace.errors import InputError

Role = Literal["literal", "text", "instruction"]
_FIELD = re.compile(r"(\{input\}|\{instruction\})")


class Piece(NamedTuple):
    """A stretch of a rendered prompt and where it came from."""

    text: str
    role: Role


@dataclass(frozen=True)
class Template:
    """A prompt's ``form`` with ``{input}`` and ``{instruction}`` once each; other braces are ordinary characters.

    ``form_without_input`` (``{instruction}`` once) is used when the text is empty or only white space. The InBedder
    models were trained on that shorter form for rows without input, so an empty text gives them the prompt they
    know rather than an empty block; without it an empty text leaves an empty gap.
    ``pair``: the text and the instruction are the two segments of an encoder's sentence pair; the tokenizer's own
    separators stand between them and the form is not used.
    Raises InputError when a field is missing or occurs twice.
    """

    name: str
    form: str = "{input}{instruction}"
    form_without_input: str | None = None
    pair: bool = False

    def __post_init__(self) -> None:
        _check_fields(self.form, {"{input}": 1, "{instruction}": 1})
        if self.form_without_input is not None:
            _check_fields(self.form_without_input, {"{input}": 0, "{instruction}": 1})

    @classmethod
    def from_string(cls, form: str, name: str = "custom") -> Template:
        """A template of the user's own.

        >>> Template.from_string("Text: {input} Question: {instruction} Answer:").render("Hi.", "Who?")
        'Text: Hi. Question: Who? Answer:'
        """
        return cls(name, form)

    def pieces(self, text: str, instruction: str) -> list[Piece]:
        """The prompt's pieces in order; empty literals are left out."""
        short = self.form_without_input is not None and not text.strip()
        form = self.form_without_input if short and self.form_without_input is not None else self.form
        filled: dict[str, Piece] = {
            "{input}": Piece(text, "text"),
            "{instruction}": Piece(instruction, "instruction"),
        }
        return [filled.get(part, Piece(part, "literal")) for part in _FIELD.split(form) if part]

    def render(self, text: str, instruction: str) -> str:
        """The prompt as one plain string."""
        return "".join(piece.text for piece in self.pieces(text, instruction))


def _check_fields(form: str, wanted: dict[str, int]) -> None:
    for field, count in wanted.items():
        if form.count(field) != count:
            times = "exactly once" if count else "not at all"
            raise InputError(
                f"A template must contain {field} {times}. Got {form.count(field)} in {form!r:.80}; "
                "write for example 'Text: {input}\\nQuestion: {instruction}\\nAnswer:'."
            )


INBEDDER = Template(
    "inbedder",
    "### Input:\n{input}\n\n### Instruction:\n{instruction}\n\n### Response:",
    "### Instruction:\n{instruction}\n\n### Response:",
)
ALPACA = Template(
    "alpaca",
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:",
    "### Instruction:\n{instruction}\n\n### Response:",
)
LLAMA2_CHAT = Template(
    "llama2-chat",
    "[INST] Your task is to give an answer according to the instruction and input. Please keep your answer short."
    "\n\nInput: {input}\n\nInstruction: {instruction}\n\n### Your Answer: [/INST]",
)
PAIR = Template("pair", pair=True)

TEMPLATES: dict[str, Template] = {t.name: t for t in (INBEDDER, ALPACA, LLAMA2_CHAT, PAIR)}


def resolve_template(template: str | Template) -> Template:
    """A template by name, a string with both fields, or a Template itself. Raises InputError otherwise."""
    if isinstance(template, Template):
        return template
    if template in TEMPLATES:
        return TEMPLATES[template]
    if "{" in template:
        return Template.from_string(template)
    raise InputError(
        f"template must be one of {', '.join(TEMPLATES)}, or a string with {{input}} and {{instruction}}. "
        f"Got {template!r}."
    )
