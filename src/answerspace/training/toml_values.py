"""Recipes as values: a TOML file or a packaged preset becomes a frozen dataclass, ``key=value`` changes applied."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from answerspace.errors import InputError

T = TypeVar("T")
PRESET_ROOM = files("answerspace.training") / "presets"


def preset_names() -> list[str]:
    """The names of the packaged recipes."""
    return sorted(entry.name.removesuffix(".toml") for entry in PRESET_ROOM.iterdir() if entry.name.endswith(".toml"))


def recipe_text(name_or_path: str | Path) -> str:
    """The TOML text of a preset or a file. Raises InputError that lists the presets."""
    name, path = str(name_or_path), Path(name_or_path)
    if name in preset_names():
        return (PRESET_ROOM / f"{name}.toml").read_text("utf-8")
    try:
        return path.read_text("utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(
            f"The recipe must be a TOML file or one of {', '.join(preset_names())}. Got {name!r}."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The recipe {name!r} must be a TOML file that can be read: {error}.") from None


def recipe_values(name_or_path: str | Path, changes: Sequence[str] = ()) -> dict[str, Any]:
    """The recipe as nested dictionaries; ``changes`` are "section.key=value" with TOML values, a bare word is text."""
    try:
        values = tomllib.loads(recipe_text(name_or_path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"The recipe {name_or_path} must be valid TOML: {error}.") from None
    for change in changes:
        name, sign, value = change.partition("=")
        *sections, key = (part.strip() for part in name.split("."))
        if not sign or not key or not all(sections):
            raise InputError(f"--set takes section.key=value, such as train.learning_rate=1e-4. Got {change!r}.")
        place = values
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise InputError(f"--set takes section.key=value. Got {change!r}, but {section} is a value itself.")
        place[key] = _toml_value(value.strip())
    return values


def build(kind: type[T], values: Mapping[str, Any], where: str = "The recipe") -> T:
    """A dataclass from nested dictionaries. Raises InputError that names an unknown, missing or mistyped field."""
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InputError(f"{where} has no field {unknown[0]!r}. Its fields are {', '.join(known)}.")
    missing = [n for n, f in known.items() if n not in values and f.default is f.default_factory is MISSING]
    if missing:
        raise InputError(f"{where} lacks a field: {missing[0]}.")
    hints = get_type_hints(kind)
    return kind(**{name: _checked(value, hints[name], f"{where}: {name}") for name, value in values.items()})


def _checked(value: Any, hint: Any, where: str) -> Any:
    allowed = [h for h in get_args(hint) if h is not NoneType] if NoneType in get_args(hint) else [hint]
    kind = allowed[0]
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, dict):
            raise InputError(f"{where} must be a section. Got {value!r}.")
        return build(kind, value, where)
    plain = get_origin(kind) or kind
    if plain is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if plain is tuple and isinstance(value, list):
        return tuple(value)
    if not isinstance(value, plain) or (isinstance(value, bool) and plain is not bool):
        raise InputError(f"{where} must be of type {plain.__name__}. Got {value!r}.")
    return value


def _toml_value(word: str) -> Any:
    try:
        return tomllib.loads(f"value = {word}")["value"]
    except tomllib.TOMLDecodeError:
        return word
