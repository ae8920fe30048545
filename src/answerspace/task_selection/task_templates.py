"""Jinja prompt templates as plain instructions: the words stay, the placeholders become words of their own.

INSTA compares templates of promptsource and does not publish how it removed the placeholders. Here
``{{ premise }}`` reads "premise", every branch of an ``if`` and the body of a ``for`` are kept once, and
``{{ answer_choices[label] }}`` reads as the choices themselves when these are fixed words.
"""

from __future__ import annotations

import re
from typing import Any

from answerspace.errors import InputError, MissingExtra

STYLES = ("named", "dropped", "raw")
PARTS = ("both", "input", "output")
BETWEEN = "|||"  # promptsource's mark between input and output, and between answer choices


def render_template(
    template: str, answer_choices: str | None = None, *, style: str = "named", part: str = "both"
) -> str:
    """The instruction that a Jinja template gives, on one line, without placeholders.

    ``style`` "named" puts a field's name where its value would stand, "dropped" leaves it out, "raw" keeps the
    template as it is. ``part`` says which side of ``|||`` is kept. InputError for a template that is no Jinja.
    """
    if style not in STYLES:
        raise InputError(f"style must be one of {', '.join(STYLES)}. Got {style!r}.")
    if part not in PARTS:
        raise InputError(f"part must be one of {', '.join(PARTS)}. Got {part!r}.")
    text = template if style == "raw" else _spoken(template, _fixed_choices(answer_choices), style == "named")
    before, _, after = text.partition(BETWEEN)
    kept = {"both": f"{before} {after}", "input": before, "output": after}[part].replace(BETWEEN, " ")
    return re.sub(r"\s+([.,?!;:])", r"\1", " ".join(kept.split()))


def fixed_choices(answer_choices: str | None) -> tuple[str, ...]:
    """The answer choices of a template when they are the same for every example, else none."""
    if not answer_choices or "{{" in answer_choices or "{%" in answer_choices:
        return ()
    return tuple(choice.strip() for choice in answer_choices.split(BETWEEN))


def _fixed_choices(answer_choices: str | None) -> str:
    return ", ".join(fixed_choices(answer_choices))


def _spoken(template: str, choices: str, named: bool) -> str:
    try:
        from jinja2 import Environment, TemplateSyntaxError
    except ImportError:
        raise MissingExtra("Reading Jinja templates", "torch") from None
    try:
        parsed = Environment().parse(template)  # parsed, never rendered
    except TemplateSyntaxError as error:
        raise InputError(f"A template must be valid Jinja. Got {template[:60]!r}: {error}.") from None
    return _Speech(choices, named).body(parsed.body)


class _Speech:
    """Says the nodes of a parsed template."""

    def __init__(self, choices: str, named: bool) -> None:
        self.choices = choices
        self.named = named

    def body(self, parts: list[Any]) -> str:
        return "".join(self.statement(part) for part in parts)

    def statement(self, node: Any) -> str:
        kind = type(node).__name__
        if kind == "Output":
            return "".join(self.value(one) for one in node.nodes)
        if kind == "If":
            branches = [node.body, *(one.body for one in node.elif_), node.else_]
            return "".join(self.body(branch) for branch in branches)
        return self.body(node.body) if kind == "For" else ""

    def value(self, node: Any) -> str:
        kind = type(node).__name__
        if kind == "TemplateData":
            return str(node.data)
        if kind == "Const":
            return str(node.value)
        if kind == "Name":
            return self.field(node.name)
        if kind == "Getattr":
            return self.value(node.node) if node.attr in ("text", "value") else self.field(node.attr)
        if kind == "Getitem":
            return self.item(node)
        if kind == "Call":
            return self.call(node)
        inner = {"Filter": ("node",), "CondExpr": ("expr1",), "Add": ("left", "right")}.get(kind, ())
        if kind == "Concat":
            return " ".join(self.value(one) for one in node.nodes)
        return " ".join(self.value(getattr(node, name)) for name in inner)

    def item(self, node: Any) -> str:
        if type(node.arg).__name__ == "Const" and isinstance(node.arg.value, str):
            return self.field(node.arg.value)
        if getattr(node.node, "name", "") == "answer_choices":
            return f"one of: {self.choices}" if self.choices and self.named else self.field("answer")
        return self.value(node.node)

    def call(self, node: Any) -> str:
        if type(node.node).__name__ == "Getattr":  # a method: ", ".join(x) speaks of x, x.strip() of x
            return self.value(node.args[0] if node.node.attr == "join" and node.args else node.node.node)
        return self.value(node.args[0]) if node.args else ""

    def field(self, name: str) -> str:
        if name == "answer_choices":
            return self.choices or self.field("choices")
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").rstrip("0123456789 ")
        return words.lower() if self.named else ""
