"""PIE's prompt, states, contrast and training on tiny models made in memory."""

import copy
import json
import math

import numpy as np
import pytest
import torch
from command_line import Runner
from tiny_models import tiny

from answerspace.backbones.causal import CausalBackbone
from answerspace.backbones.fake import FakeBackbone
from answerspace.backbones.masked import MaskedBackbone
from answerspace.backbones.prompt_tokens import PromptOptions
from answerspace.backbones.seq2seq import Seq2SeqBackbone
from answerspace.embedder import Embedder
from answerspace.errors import InputError
from answerspace.instructions.benchmark import Labelled
from answerspace.instructions.contrast import TripleMaker, contrast_loss
from answerspace.instructions.pie import PROMPTS, PieEncoder, load_pie, with_stop
from answerspace.instructions.pie_training import PieRecipe, PieTrainer
from answerspace.instructions.task_labels import TaskLabel

KINDS = {
    "opt": CausalBackbone,
    "llama": CausalBackbone,
    "gpt2": CausalBackbone,
    "bert": MaskedBackbone,
    "t5": Seq2SeqBackbone,
}
TEXTS = ["Write a review", "Is the soup good?", "Name a place to travel to."]


def encoder(name, prompt="pie", state="last-2", fresh=False):
    model, tokenizer = tiny(name)
    options = PromptOptions(template=PROMPTS[prompt][0])
    backbone = KINDS[name](copy.deepcopy(model) if fresh else model, tokenizer, options)
    return PieEncoder(Embedder(backbone), prompt=prompt, state=state, batch_size=2)


def row(text, verb, noun, label=None):
    return Labelled(text, TaskLabel(verb, noun), label or f"{verb}|{noun}")


ROWS = [
    row(text, verb, noun)
    for verb, noun in (("write", "review"), ("write", "poem"), ("name", "place"), ("name", "poem"))
    for text in (f"{verb} a {noun} about soup", f"{verb} one {noun} for me", f"please {verb} a good {noun}")
]


# --- prompt and states -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "rendered"),
    [
        (
            "pie",
            "The essence of an instruction is its task intention. With this in mind, given the instruction below:\n\n"
            "Sing.\n\nafter thinking step by step, the task of the given instruction is:",
        ),
        ("semantic", 'This sentence of "Sing." means:'),
    ],
)
def test_the_prompts_are_the_published_ones(prompt, rendered):
    template, ending = PROMPTS[prompt]
    assert template.render("Sing.", ending) == rendered


@pytest.mark.parametrize(
    ("text", "stopped"),
    [("Sing", "Sing."), ("Sing.", "Sing."), ("Sing?", "Sing?"), ('Say "a"', 'Say "a"'), ("", ""), ("a! ", "a!.")],
)
def test_the_final_stop(text, stopped):
    assert with_stop(text) == stopped


@pytest.mark.parametrize("name", ["opt", "llama", "gpt2"])
def test_a_causal_vector_is_the_mean_of_the_last_two_layers_at_the_last_token(name):
    model, tokenizer = tiny(name)
    found = encoder(name).encode(TEXTS)
    for text, vector in zip(TEXTS, found, strict=True):
        template, ending = PROMPTS["pie"]
        ids = torch.tensor([tokenizer(template.render(with_stop(text), ending))["input_ids"]])
        with torch.no_grad():
            layers = model(ids, output_hidden_states=True).hidden_states
        expected = (layers[-1][0, -1] + layers[-2][0, -1]) / 2
        np.testing.assert_allclose(vector, expected.numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["opt", "bert", "t5"])
def test_vectors_do_not_depend_on_the_batch_and_padding_is_never_read(name):
    made = encoder(name)
    together = made.encode([*TEXTS, "Write " + "soup " * 30])
    alone = np.stack([made.encode([text])[0] for text in TEXTS])
    np.testing.assert_allclose(together[:3], alone, rtol=1e-3, atol=1e-4)
    assert together.shape[1] == made.embedder.dimension
    assert made.encode([]).shape[0] == 0


def test_cls_is_the_first_position_of_a_masked_model():
    made = encoder("bert", state="cls")
    assert np.isfinite(made.encode(TEXTS)).all()
    assert not np.allclose(made.encode(TEXTS), encoder("bert").encode(TEXTS))


def test_wrong_names_are_refused():
    with pytest.raises(InputError, match="state must be one of last-2"):
        encoder("opt", state="best")
    with pytest.raises(InputError, match="'cls' is of masked models"):
        encoder("opt", state="cls")
    with pytest.raises(InputError, match="prompt must be one of pie, semantic"):
        PieEncoder(Embedder(FakeBackbone()), prompt="none")


# --- contrast ----------------------------------------------------------------------------------------------------


def unit(*angles):
    return torch.tensor([[math.cos(a), math.sin(a)] for a in angles], requires_grad=True)


def test_the_loss_is_the_formula_worked_out_by_hand():
    """Two anchors of two labels, cosines 1 on the diagonal and 0 off it: -log(e^2 / (e^2 + 1)) each, at 0.5."""
    vectors = unit(0, math.pi / 2)
    for published in (False, True):
        loss = contrast_loss(vectors, vectors, None, torch.tensor([0, 1]), temperature=0.5, published=published)
        assert loss.item() == pytest.approx(math.log(1 + math.exp(-2)), rel=1e-5)


def test_rows_of_the_same_label_are_positives_unless_published():
    """All vectors alike and of one label: nothing to part. The published code parts them: log 2 for two rows."""
    vectors = unit(0, 0)
    labels = torch.tensor([3, 3])
    loss = contrast_loss(vectors, vectors, None, labels)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    loss.backward()
    assert torch.isfinite(vectors.grad).all()
    assert contrast_loss(vectors, vectors, None, labels, published=True).item() == pytest.approx(math.log(2), rel=1e-5)


def test_a_hard_negative_of_the_anchors_label_does_not_count():
    anchors, positives, negatives = unit(0, math.pi / 2), unit(0.1, 1.5), unit(0, 0)
    labels = torch.tensor([0, 1])
    own = contrast_loss(anchors, positives, negatives, labels, torch.tensor([0, 0]))
    none = contrast_loss(anchors, positives, None, labels)
    # the negatives lie on anchor 0 and carry its label: they only count against anchor 1, at right angles to them
    assert own.item() == pytest.approx(none.item(), abs=1e-4)
    assert contrast_loss(anchors, positives, negatives, labels, torch.tensor([2, 2])).item() > own.item() + 0.1
    with pytest.raises(InputError, match="Hard negatives need their labels"):
        contrast_loss(anchors, positives, negatives, labels)


def test_triples_have_a_positive_of_the_label_and_a_negative_that_shares_a_word():
    maker = TripleMaker(ROWS, seed=1)
    triples = maker.epoch()
    assert len(triples) == len(ROWS)
    for anchor, positive, negative in triples:
        assert positive.label == anchor.label
        assert positive.text != anchor.text
        assert negative.label != anchor.label
        assert negative.pair.verb == anchor.pair.verb or negative.pair.noun == anchor.pair.noun


def test_the_fallbacks_of_hard_negatives_and_labels_of_one_text():
    """The published code fails on both: an index by a string, and a draw that never ends."""
    lonely = [row("sing a song", "sing", "song"), row("sing two songs", "sing", "song"), row("go home", "go", "home")]
    maker = TripleMaker([*lonely, row("go home", "go", "home")], seed=0)
    assert {anchor.label for anchor, _, _ in maker.epoch()} == {"sing|song"}
    assert all(negative.label == "go|home" for _, _, negative in maker.epoch())
    merged = [
        row("draw a cat", "draw", "cat", "draw|cat##sketch|cat"),
        row("sketch a cat", "sketch", "cat", "draw|cat##sketch|cat"),
        row("sketch a dog", "sketch", "dog"),
    ]
    for _ in range(5):  # the anchor draw|cat has no near pair of another label; its positive has
        assert TripleMaker(merged, seed=0).triple(merged[0]).negative == merged[2]
    with pytest.raises(InputError, match="at least two labels"):
        TripleMaker(lonely[:2])


# --- training ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "rate"), [("opt", 1e-2), ("bert", 1e-3)])
@pytest.mark.parametrize("published", [False, True])
def test_training_lowers_the_loss_of_the_vectors_that_the_encoder_gives(name, rate, published):
    made = encoder(name, fresh=True)
    without_dropout(made.embedder.backbone.model)
    recipe = PieRecipe(epochs=6, batch_size=4, learning_rate=rate, lora_rank=4, lora_dropout=0.0, published=published)
    trainer = PieTrainer(made, ROWS, recipe)
    texts = [row.text for row in ROWS]
    before = made.encode(texts)
    if not (published and name == "bert"):  # there training reads position 0 of left-padded rows, as published
        seen = trainer.vectors(texts[:5]).detach().numpy()
        np.testing.assert_allclose(seen, before[:5], rtol=1e-3, atol=1e-3)
    assert len(trainer.train()) == 18
    after = made.encode(texts)
    assert not np.allclose(before, after)
    if not published:
        assert loss_of(after) < 0.8 * loss_of(before)


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0


def loss_of(vectors):
    """The contrast of each row with the next one of its label."""
    rows = torch.tensor(vectors)
    nexts = rows.reshape(4, 3, -1)[:, [1, 2, 0]].reshape(12, -1)
    return contrast_loss(rows, nexts, None, torch.arange(4).repeat_interleave(3)).item()


def test_lora_trains_adapters_only_and_is_merged_and_saved(tmp_path):
    made = encoder("opt", fresh=True)
    trainer = PieTrainer(made, ROWS, PieRecipe(epochs=1, batch_size=4, learning_rate=1e-3, lora_rank=2))
    names = {name for name, p in made.embedder.backbone.model.named_parameters() if p.requires_grad}
    assert names
    assert all("lora_" in name and ("q_proj" in name or "v_proj" in name) for name in names)
    trainer.train()
    assert not any("lora_" in name for name, _ in made.embedder.backbone.model.named_parameters())
    trainer.save(tmp_path / "pie")
    again = PieEncoder(Embedder.load(str(tmp_path / "pie")))
    np.testing.assert_allclose(again.encode(TEXTS), made.encode(TEXTS), rtol=1e-4, atol=1e-4)


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(InputError, match=r"PIE trains models of kind causal or masked\. Got a fake model\."):
        PieTrainer(PieEncoder(Embedder(FakeBackbone())), ROWS)
    with pytest.raises(InputError, match="lora_targets must name linear maps"):
        PieTrainer(encoder("opt", fresh=True), ROWS, PieRecipe(lora_targets=("nothing",)))


def test_the_train_command_writes_a_model_that_loads(tmp_path, capsys):
    model, tokenizer = tiny("opt")
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "start")
    (tmp_path / "set.json").write_text(json.dumps([row.text for row in ROWS]))
    options = ["--model", tmp_path / "start", "--output", tmp_path / "out", "--epochs", 0.5, "--batch-size", 4]
    done = Runner(capsys)("instructions", "train", tmp_path / "set.json", *options)
    assert done.code == 0, done.err
    assert f"Wrote {tmp_path / 'out'}" in done.out
    assert np.isfinite(load_pie(str(tmp_path / "out")).encode(TEXTS)).all()
