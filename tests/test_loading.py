from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny

from answerspace import Embedder, InputError, ModelError
from answerspace.backbones.causal import CausalBackbone
from answerspace.backbones.masked import MaskedBackbone
from answerspace.backbones.prompt_tokens import PromptOptions
from answerspace.loading import PRESETS, LoadOptions, _preset, load_backbone, save_backbone
from answerspace.prompts import ALPACA, INBEDDER
from answerspace.settings import Settings

QUESTION = "What is being reviewed?"
TEXTS = ["The soup was cold.", "Bad battery. " * 40]


@pytest.fixture(scope="module")
def plain_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as transformers writes it."""
    folder = tmp_path_factory.mktemp("plain")
    model, tokenizer = tiny("opt")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_plain_model_folder(plain_folder: Path) -> None:
    embedder = Embedder.load(str(plain_folder))
    assert embedder.backbone.kind == "causal"
    assert embedder.settings == Settings()
    ours = Embedder(CausalBackbone(*tiny("opt"))).encode(TEXTS, QUESTION)
    np.testing.assert_allclose(embedder.encode(TEXTS, QUESTION), ours, atol=1e-5)


def test_options_reach_the_model(plain_folder: Path) -> None:
    options = {"template": "alpaca", "truncation": "tail", "max_length": 64, "reserve": 9, "answer_tokens": 5}
    backbone, settings = load_backbone(plain_folder, convention="published", dtype="float32", device="cpu", **options)
    assert isinstance(backbone, CausalBackbone)
    assert backbone.options == PromptOptions(ALPACA, "tail", 64, 9, "published")
    assert backbone.answer_tokens == 5
    assert settings == Settings(convention="published", normalize=False)


def test_everything_that_changes_vectors_is_saved(tmp_path: Path) -> None:
    options = PromptOptions(ALPACA, "tail", 64, 9, "published")
    settings = Settings("mean_answer", -2, False, "published", None)
    backbone = MaskedBackbone(*tiny("roberta"), options, masks=2)
    save_backbone(backbone, settings, tmp_path / "new" / "folder")
    loaded, loaded_settings = load_backbone(tmp_path / "new" / "folder")
    assert isinstance(loaded, MaskedBackbone)
    assert (loaded.options, loaded.masks, loaded_settings) == (options, 2, settings)
    assert loaded.fingerprint == backbone.fingerprint
    changed, _ = load_backbone(tmp_path / "new" / "folder", masks=4, template="inbedder")
    assert isinstance(changed, MaskedBackbone)
    assert (changed.masks, changed.options.template, changed.options.truncation) == (4, INBEDDER, "tail")


@pytest.mark.parametrize("name", ["roberta-large-inbedder", "BrandonZYW/roberta-large-InBedder"])
def test_presets_are_found_by_name_and_hub_id(name: str) -> None:
    preset = _preset(name)
    assert preset is PRESETS["roberta-large-inbedder"]
    assert preset.aggregation == "mean_answer"
    assert _preset("gpt2") is None


def test_unknown_options_list_the_valid_names(plain_folder: Path) -> None:
    with pytest.raises(InputError, match=r"one of convention, engine, device.*Got layers, tempalte"):
        load_backbone(plain_folder, tempalte="alpaca", layers=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int8"}, "dtype must be one of float32, bfloat16"),
        ({"engine": "onnx"}, "engine must be 'torch'"),
        ({"template": "vicuna"}, "template must be one of"),
        ({"truncation": "left"}, "truncation must be one of head, tail"),
        ({"convention": "paper"}, "convention must be one of answerspace, published"),
        ({"masks": 3}, "masks apply to a masked model"),
        ({"max_length": 9999}, "at most 256"),
    ],
)
def test_wrong_options_say_what_is_right(plain_folder: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_backbone(plain_folder, **options)


def test_what_is_no_model_is_said_in_one_sentence(tmp_path: Path, plain_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"must hold config\.json"):
        load_backbone(tmp_path)
    with pytest.raises(ModelError, match="a folder, a hub id or one of"):
        load_backbone(tmp_path / "missing")
    with pytest.raises(ModelError, match="no-such/model") as caught:
        load_backbone("no-such/model", local_files_only=True)
    assert "\n" not in str(caught.value)
    (tmp_path / "answerspace.json").write_text('{"settings": {"colour": 1}}')
    with pytest.raises(ModelError, match="must be as save wrote it"):
        load_backbone(tmp_path)
    (tmp_path / "answerspace.json").unlink()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError):
        load_backbone(tmp_path)


def test_an_unsupported_architecture_lists_those_that_are(tmp_path: Path, plain_folder: Path) -> None:
    config = json.loads((plain_folder / "config.json").read_text())
    for architectures in (["OPTModel"], ["OPTForSequenceClassification"], ["LlavaForConditionalGeneration"], None):
        (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": architectures}))
        with pytest.raises(ModelError, match=r"\*ForMaskedLM, \*ForCausalLM"):
            load_backbone(tmp_path)


def test_a_file_is_no_folder_to_save_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="saved to a folder"):
        save_backbone(CausalBackbone(*tiny("opt")), Settings(), tmp_path / "file")


def test_load_options_are_none_until_given() -> None:
    assert LoadOptions.checked({}) == LoadOptions()
