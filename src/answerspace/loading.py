"""From a name or a folder to a backbone and its settings, and back.

A saved model is a folder: the model's own files and one small ``answerspace.json`` beside them. torch and
transformers are imported only when a model needs them; the bundled model does not.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

from answerspace.aggregation import CONVENTIONS
from answerspace.answers import Sampling
from answerspace.backbones.prompt_tokens import TRUNCATIONS, PromptOptions, Truncation
from answerspace.errors import InputError, MissingExtra, ModelError
from answerspace.prompts import INBEDDER, Template, resolve_template
from answerspace.protocols import Backbone
from answerspace.settings import Settings

SETTINGS_FILE = "answerspace.json"
DTYPES = ("float32", "bfloat16", "float16", "auto")


@dataclass(frozen=True)
class LoadOptions:
    """How a model is loaded; None leaves it to the preset or the saved folder, then to the default named here.

    For every model: ``convention`` ("answerspace"; "published" repeats the InBedder authors' code: its truncation,
    its aggregations, no normalisation) · ``engine`` (the bundled model picks the fastest; others run on "torch",
    causal ones also on "vllm") · ``device`` (for the bundled model "cpu"; else "cuda" if there is one) ·
    ``truncation``, the end of a long text that is kept ("head") · ``max_length`` in tokens (of the prompt, see
    ``PromptOptions``; of the text for the bundled model).

    For transformers models: ``dtype`` ("float32"; one of DTYPES) · ``template`` (a name of ``prompts.TEMPLATES``, a
    string with {input} and {instruction}, or a Template; "inbedder") · ``reserve`` · ``masks`` of a masked model (3) ·
    ``answer_tokens`` a causal or encoder-decoder model generates at most (3, 20) · ``attn_implementation``,
    ``revision``, ``token``, ``local_files_only``, ``trust_remote_code`` as in transformers.
    """

    convention: str | None = None
    engine: str | None = None
    device: str | None = None
    dtype: str | None = None
    template: str | Template | None = None
    truncation: str | None = None
    max_length: int | None = None
    reserve: int | None = None
    masks: int | None = None
    answer_tokens: int | None = None
    attn_implementation: str | None = None
    revision: str | None = None
    token: str | None = None
    local_files_only: bool = False
    trust_remote_code: bool = False

    @classmethod
    def checked(cls, options: Mapping[str, Any]) -> LoadOptions:
        """From keyword arguments. Raises InputError that lists the valid names."""
        names = [field.name for field in fields(cls)]
        unknown = sorted(set(options) - set(names))
        if unknown:
            raise InputError(f"A loading option must be one of {', '.join(names)}. Got {', '.join(unknown)}.")
        return cls(**options)


@dataclass(frozen=True)
class Preset:
    """One of the InBedder authors' checkpoints and what its published numbers were made with.

    ``sampling`` is how its answers were drawn for re-encoding; None is greedy.
    """

    hub_id: str
    aggregation: str
    sampling: Sampling | None = None
    answer_tokens: int = 3
    template: Template = INBEDDER


PRESETS: dict[str, Preset] = {
    "llama-2-7b-inbedder": Preset("BrandonZYW/llama-2-7b-InBedder", "first_answer", Sampling(0.6, 0.9)),
    "opt-2.7b-inbedder": Preset("BrandonZYW/opt-2.7b-InBedder", "first_answer"),
    "opt-1.3b-inbedder": Preset("BrandonZYW/opt-1.3b-InBedder", "first_answer"),
    "opt-350m-inbedder": Preset("BrandonZYW/opt-350m-InBedder", "first_answer"),
    "roberta-large-inbedder": Preset("BrandonZYW/roberta-large-InBedder", "mean_answer"),
}

# the end of an architecture's name -> (kind of backbone, transformers' loader)
ARCHITECTURES: dict[str, tuple[str, str]] = {
    "ForMaskedLM": ("masked", "AutoModelForMaskedLM"),
    "ForCausalLM": ("causal", "AutoModelForCausalLM"),
    "LMHeadModel": ("causal", "AutoModelForCausalLM"),
    "ForConditionalGeneration": ("seq2seq", "AutoModelForSeq2SeqLM"),
}


def load_backbone(name_or_path: str | Path | None = None, **options: Any) -> tuple[Backbone, Settings]:
    """The backbone and the settings it was saved with. The options are the fields of LoadOptions.

    ``name_or_path``: None or "bundled" for the bundled model, a folder, the short name of a preset, or a hub id.
    Raises ModelError when that is no model or an unsupported one, InputError for a wrong option, MissingExtra
    without torch.
    """
    chosen = LoadOptions.checked(options)
    if name_or_path is None or name_or_path == "bundled":
        return _load_bundled(None, chosen)
    name = str(name_or_path)
    folder = Path(name).expanduser()
    if folder.is_dir():
        saved = _read_saved(folder)
        if saved.get("kind") == "bundled":
            return _load_bundled(folder, chosen)
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"A model folder must hold config.json or {SETTINGS_FILE}. Got {name!r}, which has neither."
            )
        return _load_transformers(str(folder), chosen, saved)
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or folder.exists():
        raise ModelError(f"A model must be a folder, a hub id or one of {', '.join(PRESETS)}. Got {name!r}.")
    preset = _preset(name)
    return _load_transformers(preset.hub_id if preset else name, chosen, _preset_as_saved(preset))


def save_backbone(backbone: Backbone, settings: Settings, path: str | Path) -> None:
    """Write the model's files and ``answerspace.json`` to a folder, which is made if need be."""
    save = getattr(backbone, "save", None)
    if save is None:
        raise InputError(f"A model must have files to be saved. Got a {backbone.kind} model, which has none.")
    folder = Path(path).expanduser()
    if folder.is_file():
        raise InputError(f"A model is saved to a folder. Got the file {str(path)!r}.")
    folder.mkdir(parents=True, exist_ok=True)
    save(folder)
    save_settings(backbone, settings, folder)


def save_settings(backbone: Backbone, settings: Settings, folder: Path) -> None:
    """Write ``answerspace.json`` beside a model's files that are there already."""
    saved = _read_saved(folder)  # the bundled model writes a part of its own
    saved |= {"kind": backbone.kind, "settings": asdict(settings), "model": _model_options(backbone)}
    (folder / SETTINGS_FILE).write_text(json.dumps(saved, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def push_backbone(
    backbone: Backbone, settings: Settings, repo_id: str, *, private: bool = True, token: str | None = None
) -> str:
    """Upload what ``save_backbone`` writes to a Hugging Face repository, made if need be; returns its address."""
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise MissingExtra("Pushing to the hub", "torch") from error
    with tempfile.TemporaryDirectory() as folder:
        save_backbone(backbone, settings, folder)
        try:
            api = HfApi(token=token)
            address = api.create_repo(repo_id, private=private, exist_ok=True)
            api.upload_folder(repo_id=repo_id, folder_path=folder)
        except (OSError, ValueError) as error:  # huggingface_hub's errors are of these two
            raise ModelError(
                f"The hub must accept the model as {repo_id!r}. It answered: {_sentence(error)}"
            ) from error
    return str(address)


# --- the bundled model -------------------------------------------------------------------------------------------


def _load_bundled(path: Path | None, chosen: LoadOptions) -> tuple[Backbone, Settings]:
    from answerspace.backbones.bundled import bundled_folder, load_bundled

    taken = ("convention", "engine", "device", "truncation", "max_length")
    wrong = [f.name for f in fields(LoadOptions) if f.name not in taken and getattr(chosen, f.name) != f.default]
    if wrong:
        raise InputError(f"The bundled model takes the options {', '.join(taken)}. Got {', '.join(wrong)}.")
    if chosen.truncation not in (None, *TRUNCATIONS):
        raise InputError(f"truncation must be one of {', '.join(TRUNCATIONS)}. Got {chosen.truncation!r}.")
    backbone = load_bundled(
        path,
        engine=chosen.engine or "auto",
        text_length=chosen.max_length,
        truncation=chosen.truncation,
        device=chosen.device or "cpu",
    )
    return backbone, _settings(chosen, _read_saved(path or bundled_folder()))


# --- transformers models -----------------------------------------------------------------------------------------


def _load_transformers(name: str, chosen: LoadOptions, saved: Mapping[str, Any]) -> tuple[Backbone, Settings]:
    if chosen.engine not in (None, "torch", "vllm"):
        raise InputError(f"engine must be 'torch' or 'vllm' for a transformers model. Got {chosen.engine!r}.")
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra("A transformers model", "torch") from error
    dtype = chosen.dtype or "float32"
    if dtype not in DTYPES:
        raise InputError(f"dtype must be one of {', '.join(DTYPES)}. Got {dtype!r}.")
    source: dict[str, Any] = {
        "revision": chosen.revision,
        "token": chosen.token,
        "local_files_only": chosen.local_files_only,
        "trust_remote_code": chosen.trust_remote_code,
    }
    source = {key: value for key, value in source.items() if value is not None}
    # 1) what it is
    config = _fetched(name, lambda: transformers.AutoConfig.from_pretrained(name, **source))
    kind, loader = _architecture(name, config)
    settings = _settings(chosen, saved)
    if chosen.engine == "vllm":
        return _vllm_backbone(kind, name, chosen, saved, settings), settings
    # 2) the model and its tokenizer
    attention = {} if chosen.attn_implementation is None else {"attn_implementation": chosen.attn_implementation}
    auto = getattr(transformers, loader)
    model = _fetched(
        name,
        lambda: auto.from_pretrained(
            name, dtype=dtype if dtype == "auto" else getattr(torch, dtype), **attention, **source
        ),
    )
    tokenizer = _fetched(name, lambda: transformers.AutoTokenizer.from_pretrained(name, **source))
    # 3) how it is asked
    model = model.to(chosen.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    saved_model = saved.get("model", {})
    return _backbone(kind, model, tokenizer, chosen, saved_model, settings.convention), settings


def _backbone(
    kind: str, model: Any, tokenizer: Any, chosen: LoadOptions, saved: Mapping[str, Any], convention: str
) -> Backbone:
    from answerspace.backbones.causal import CausalBackbone
    from answerspace.backbones.masked import MaskedBackbone
    from answerspace.backbones.seq2seq import Seq2SeqBackbone

    prompts = _prompt_options(chosen, saved, convention)
    if kind == "masked":
        return MaskedBackbone(model, tokenizer, prompts, masks=_option(chosen, saved, "masks", 3))
    if chosen.masks is not None:
        raise InputError(f"masks apply to a masked model. Got a {kind} model; use answer_tokens.")
    if kind == "causal":
        return CausalBackbone(model, tokenizer, prompts, answer_tokens=_option(chosen, saved, "answer_tokens", 3))
    return Seq2SeqBackbone(model, tokenizer, prompts, answer_tokens=_option(chosen, saved, "answer_tokens", 20))


def _vllm_backbone(kind: str, name: str, chosen: LoadOptions, saved: Mapping[str, Any], settings: Settings) -> Backbone:
    from answerspace.backbones.vllm import load_vllm

    if kind != "causal":
        raise InputError(f"engine 'vllm' runs causal models. Got a {kind} model; load it with engine='torch'.")
    saved_model = saved.get("model", {})
    return load_vllm(
        name,
        _prompt_options(chosen, saved_model, settings.convention),
        dtype=chosen.dtype or "auto",
        revision=chosen.revision,
        answer_tokens=_option(chosen, saved_model, "answer_tokens", 3),
        trust_remote_code=chosen.trust_remote_code,
    )


def _prompt_options(chosen: LoadOptions, saved: Mapping[str, Any], convention: str) -> PromptOptions:
    template = _option(chosen, saved, "template", INBEDDER)
    return PromptOptions(
        template=Template(**template) if isinstance(template, dict) else resolve_template(template),
        truncation=cast(Truncation, _option(chosen, saved, "truncation", PromptOptions.truncation)),
        max_length=_option(chosen, saved, "max_length", PromptOptions.max_length),
        reserve=_option(chosen, saved, "reserve", PromptOptions.reserve),
        convention=convention,
    )


def _option(chosen: LoadOptions, saved: Mapping[str, Any], name: str, default: Any) -> Any:
    """What the caller chose, else what was saved, else the default."""
    given = getattr(chosen, name)
    return given if given is not None else saved.get(name, default)


def _architecture(name: str, config: Any) -> tuple[str, str]:
    names = config.architectures or []
    for architecture in names:
        for suffix, found in ARCHITECTURES.items():
            if architecture.endswith(suffix) and (found[0] != "seq2seq" or config.is_encoder_decoder):
                return found
    raise ModelError(
        f"A model must be one of {', '.join('*' + suffix for suffix in ARCHITECTURES)} (encoder-decoders of text). "
        f"Got {', '.join(names) or 'no architecture'} in {name!r}."
    )


def _fetched(name: str, load: Any) -> Any:
    """What ``load`` gives, its errors in one sentence of ours."""
    try:
        return load()
    except MissingExtra:
        raise
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise ModelError(
            f"A model must be a folder, a hub id that can be reached, or one of {', '.join(PRESETS)}. "
            f"Got {name!r}: {_sentence(error)}"
        ) from error


def _sentence(error: Exception) -> str:
    """The first line of a foreign error, as short as it goes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]


# --- what is saved -----------------------------------------------------------------------------------------------


def _read_saved(folder: Path) -> dict[str, Any]:
    path = folder / SETTINGS_FILE
    if not path.is_file():
        return {}
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        Settings(**saved.get("settings", {}))
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{SETTINGS_FILE} must be as save wrote it. Got {path}: {_sentence(error)}") from error
    return cast(dict[str, Any], saved)


def _settings(chosen: LoadOptions, saved: Mapping[str, Any]) -> Settings:
    settings = Settings(**saved.get("settings", {}))
    if chosen.answer_tokens is not None:
        settings = replace(settings, answer_tokens=None)  # the backbone's own, which the option sets
    if chosen.convention is None or chosen.convention == settings.convention:
        return settings
    return replace(
        settings, convention=_checked_convention(chosen.convention), normalize=chosen.convention != "published"
    )


def _checked_convention(convention: str) -> str:
    if convention not in CONVENTIONS:
        raise InputError(f"convention must be one of {', '.join(CONVENTIONS)}. Got {convention!r}.")
    return convention


def _model_options(backbone: Backbone) -> dict[str, Any]:
    """The options of ours that the model's own files do not hold."""
    prompts = getattr(backbone, "options", None)
    kept: dict[str, Any] = {}
    if isinstance(prompts, PromptOptions):
        kept = asdict(prompts)
        del kept["convention"]  # in the settings
    for name in ("masks", "answer_tokens"):
        if isinstance(getattr(backbone, name, None), int):
            kept[name] = getattr(backbone, name)
    return kept


def _preset(name: str) -> Preset | None:
    by_hub_id = {preset.hub_id.lower(): preset for preset in PRESETS.values()}
    return PRESETS.get(name.lower()) or by_hub_id.get(name.lower())


def _preset_as_saved(preset: Preset | None) -> dict[str, Any]:
    if preset is None:
        return {}
    settings = asdict(Settings(aggregation=preset.aggregation))
    return {"settings": settings, "model": {"template": preset.template, "answer_tokens": preset.answer_tokens}}
