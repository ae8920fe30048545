"""Base forms of English verbs and nouns: suffix rules, a list of known words, and the exceptions."""

from __future__ import annotations

from collections.abc import Collection

VOWELS = "aeiou"
SILENT = ("dg", "rg", "nc", "rs", "ns", "ang")  # ends of stems that lose an e: judge, charge, dance, rinse, change


def regular_lemma(form: str, part: str, known: Collection[str] = ()) -> str:
    """The base form of a lower-case word by suffix rules; candidates among the ``known`` base forms win.

    ``part`` is "VERB" or "NOUN"; anything else is returned unchanged.

    >>> regular_lemma("stories", "NOUN"), regular_lemma("boxes", "NOUN"), regular_lemma("writing", "VERB", {"write"})
    ('story', 'box', 'write')
    """
    candidates = _CANDIDATES.get(part, _unchanged)(form)
    return next((one for one in candidates if one in known), candidates[0])


def _unchanged(form: str) -> list[str]:
    return [form]


def _noun(form: str) -> list[str]:
    if len(form) <= 3 or not form.endswith("s") or form.endswith(("ss", "us", "is")):
        return [form]
    if form.endswith("ies") and len(form) > 4:
        return [form[:-3] + "y", form, form[:-1]]
    if form.endswith(("ches", "shes", "sses", "xes", "zzes")):
        return [form[:-2], form[:-1]]
    if form.endswith("ves"):
        return [form[:-1], form[:-3] + "f", form[:-3] + "fe"]
    return [form[:-1], form[:-2], form] if form.endswith("es") else [form[:-1], form]


def _verb(form: str) -> list[str]:
    if len(form) > 4 and form.endswith("ing"):
        return _stems(form[:-3])
    if len(form) > 4 and form.endswith("ied"):
        return [form[:-3] + "y"]
    if len(form) > 3 and form.endswith("ed"):
        return _stems(form[:-2])
    if len(form) > 4 and form.endswith("ies"):
        return [form[:-3] + "y", form[:-1]]
    if form.endswith(("ches", "shes", "sses", "xes", "zzes", "oes")):
        return [form[:-2], form[:-1]]
    if len(form) > 3 and form.endswith("s") and not form.endswith(("ss", "us", "is")):
        return [form[:-1], form]
    return [form]


def _stems(stem: str) -> list[str]:
    """Base forms that a stem before -ed or -ing may come from, the likelier first."""
    doubled = len(stem) > 2 and stem[-1] == stem[-2] and stem[-1] not in "lsfz" + VOWELS
    silent = (
        len(stem) > 1
        and stem[-1] not in VOWELS + "wxy"
        and ((stem[-2] in VOWELS and (len(stem) < 3 or stem[-3] not in VOWELS)) or stem.endswith(SILENT))
    )
    plain, with_e = stem, stem + "e"
    if doubled:
        return [stem[:-1], plain, with_e]
    if stem.endswith(("iz", "at", "ut", "v", "c", "u", "s")) and not stem.endswith("ss"):
        return [with_e, plain]
    return [with_e, plain] if silent and len(stem) <= 4 else [plain, with_e, stem[:-1]]


_CANDIDATES = {"NOUN": _noun, "VERB": _verb}
