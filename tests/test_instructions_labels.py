"""The shipped parser and the rules, through the extractor; rows are our own sentences."""

import json

import polars as pl
import pytest
from command_line import Runner

from answerspace.errors import InputError, ModelError
from answerspace.instructions.english import EnglishExtractor, make_extractor
from answerspace.instructions.instruction_files import Instruction, InstructionSet
from answerspace.instructions.labelling import label_instructions
from answerspace.instructions.lemmas import regular_lemma
from answerspace.instructions.parser import Parser
from answerspace.instructions.synonyms import merged_labels
from answerspace.instructions.task_labels import TaskLabel, label_sentences
from answerspace.instructions.words import sentences, words


@pytest.fixture(scope="module")
def extractor():
    return EnglishExtractor(Parser(threads=1))


FIRST = [
    # commands: the first noun after the verb
    ("Write a short story about a lighthouse.", "write|story"),
    ("Please list five rivers in Asia.", "list|river"),
    ("Outline the plan.", "outline|plan"),
    ("Sort these numbers.", "sort|number"),
    ("In this task, you will find the longest word in a sentence.", "find|word"),
    ("Given a recipe, name the ingredients.", "name|ingredient"),
    ("Can you suggest a title for my essay?", "suggest|title"),
    ("I want you to draw a map of the park.", "draw|map"),
    ("You are a gardener planning a garden. Draw a map of the beds.", "draw|map"),
    ("Find and correct the errors in the letter.", "correct|error"),
    ("Tell me something about whales.", "tell|something"),
    # an embedded verb that governs the noun
    ("Explain how to bake bread at home.", "bake|bread"),
    ("Explain why the bridge collapsed.", "explain|bridge"),
    ("Decide whether the sentence contains a verb.", "decide|sentence"),
    # questions
    ("Who was Marie Curie?", "who|knowledge"),
    ("Where is Lake Baikal?", "where|knowledge"),
    ("When was Rome founded?", "when|knowledge"),
    ("What is 17 * 23?", "what|math"),
    ("Is Venus bigger than Mars?", "yes-no|knowledge"),
    ("Is the following true?", "yes-no|task"),
    ("How can I clean a carpet?", "clean|carpet"),
    # without an object
    ("Translate into French.", "translate|none"),
    ("Simplify 3 + 4 * 2.", "simplify|math"),
    ("Describe Napoleon.", "describe|knowledge"),
    ("", "none|none"),
    ("...", "none|none"),
]


@pytest.mark.parametrize(("text", "label"), FIRST)
def test_the_main_label(extractor, text, label):
    assert str(extractor.labels([text])[0][0]) == label


def test_several_steps_give_several_labels_in_order(extractor):
    [labels] = extractor.labels(
        ["Read the article. Summarize its argument and write a title. Then list three questions."]
    )
    assert [str(label) for label in labels] == ["read|article", "summarize|argument", "write|title", "list|question"]


def test_equal_texts_and_batches_do_not_change_labels(extractor):
    texts = [text for text, _ in FIRST]
    alone = [extractor.labels([text])[0] for text in texts]
    assert extractor.labels(texts) == alone
    assert EnglishExtractor(extractor.parser, batch_size=3).labels([*texts, *texts]) == alone + alone


def test_rules_work_on_any_parse():
    """A parse made by hand: the rules know words, tags and heads only."""
    from answerspace.instructions.parser import ParsedWord

    sentence = [
        ParsedWord("Zorp", "zorp", "VERB", "VB", -1, "root", 1.0, 0.0),
        ParsedWord("two", "two", "NUM", "CD", 2, "nummod", 0.0, 0.0),
        ParsedWord("blips", "blip", "NOUN", "NNS", 0, "obj", 0.0, 1.0),
    ]
    assert label_sentences([sentence], "Zorp two blips") == [TaskLabel("zorp", "blip")]


def test_a_very_long_text_and_strange_signs_are_read(extractor):
    texts = ["word " * 5000, "Write " + "very " * 300 + "long poems", "日本語のテキスト", "[MASK] <s> \u0000 \u200b"]
    assert all(found for found in extractor.labels(texts))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Use e.g. a list. Then stop.", ["Use e.g. a list.", "Then stop."]),
        ("1. Read it.\n2. Sum it up.", ["1. Read it.", "2. Sum it up."]),
        ("", []),
    ],
)
def test_sentences(text, found):
    assert sentences(text) == found


def test_words():
    assert words("Don't add 1,000.5 to C++!") == ["Do", "n't", "add", "1,000.5", "to", "C++", "!"]


@pytest.mark.parametrize(
    ("form", "part", "known", "lemma"),
    [
        ("cities", "NOUN", {"city"}, "city"),
        ("series", "NOUN", {"series"}, "series"),
        ("boxes", "NOUN", set(), "box"),
        ("glass", "NOUN", set(), "glass"),
        ("knives", "NOUN", {"knife"}, "knife"),
        ("planned", "VERB", {"plan"}, "plan"),
        ("making", "VERB", {"make"}, "make"),
        ("tries", "VERB", {"try"}, "try"),
        ("quickly", "ADV", set(), "quickly"),
    ],
)
def test_lemmas(form, part, known, lemma):
    assert regular_lemma(form, part, known) == lemma


def test_irregular_forms_come_from_the_tables(extractor):
    assert [extractor.parser.lemma(form, "NOUN") for form in ("people", "mice", "analyses")] == [
        "people",
        "mouse",
        "analysis",
    ]
    assert [extractor.parser.lemma(form, "VERB") for form in ("wrote", "Found", "thought")] == [
        "write",
        "find",
        "think",
    ]


def test_synonymous_labels_share_a_name_and_others_do_not():
    labels = [TaskLabel(*pair.split("|")) for pair in ("write|story", "write|story", "compose|story", "write|poem")]
    names = merged_labels(labels)
    assert names[labels[0]] == names[labels[2]] == "write|story##compose|story"
    assert names[labels[3]] == "write|poem"


class FirstWords:
    """An extractor for a language of two-word instructions."""

    def labels(self, instructions):
        return [[TaskLabel(*text.lower().split())] for text in instructions]


def test_another_extractor_takes_the_place_of_ours():
    rows = [Instruction(i, text) for i, text in enumerate(["Schreibe Gedicht", "Nenne Fluss"], 1)]
    labelling = label_instructions(InstructionSet("de", rows), FirstWords())
    assert labelling.tasks == ["schreibe|gedicht", "nenne|fluss"]


def test_an_unknown_language_and_a_folder_without_a_parser_are_refused(tmp_path):
    with pytest.raises(InputError, match="--language must be one of en"):
        make_extractor("de")
    with pytest.raises(ModelError, match=r"must hold parser\.onnx"):
        Parser(tmp_path)


# --- the command -------------------------------------------------------------------------------------------------


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    rows = ["Write a poem about rain.", "Write a poem about sun.", "Name three rivers. Then sort the rivers."]
    lines = [json.dumps({"instruction": row}) for row in rows]
    (tmp_path / "set.jsonl").write_text("\n".join([*lines, '{"instruction": ""}', "{"]))
    return Runner(capsys)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_label_shows_the_tasks_reports_bad_rows_and_writes(command, tmp_path, suffix):
    done = command("instructions", "label", "set.jsonl", "--output", f"out.{suffix}")
    assert done.code == 0, done.err
    assert "3 instructions, 2 tasks; 1 instructions have several steps." in done.out
    assert "write|poem" in done.out
    assert "field 'instruction' is empty (row 4)" in done.err
    assert "it is not valid JSON (row 5)" in done.err
    readers = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}
    frame = readers[suffix](tmp_path / f"out.{suffix}")
    assert frame.columns == ["row", "verb", "noun", "task", "steps", "instruction"]
    assert frame["task"].to_list() == ["write|poem", "write|poem", "name|river"]
    steps = frame["steps"].to_list()[2]
    assert (json.loads(steps) if suffix == "csv" else steps) == ["name|river", "sort|river"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.jsonl"], "There is no file 'none.jsonl'"),
        (["set.jsonl", "--output", "x.xlsx"], "--output must end in .csv, .jsonl, .parquet. Got 'x.xlsx'."),
        (["set.jsonl", "--output", "no/x.csv"], "--output must lie in a folder that exists."),
        (["set.jsonl", "--language", "xx"], "--language must be one of en."),
        (["set.jsonl", "--field", "zzz"], "it has no field 'zzz'"),
    ],
)
def test_bad_input_is_one_sentence(command, arguments, said):
    done = command("instructions", "label", *arguments)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
