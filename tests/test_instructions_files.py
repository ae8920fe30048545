import json

import polars as pl
import pytest

from answerspace.errors import InputError
from answerspace.instructions.instruction_files import read_instructions

ALPACA = [
    {"instruction": "Name three rivers.", "input": "", "output": "Rhine, Nile, Po"},
    {"instruction": "Translate the text.", "input": "Guten Tag", "output": "Good day"},
]
CHAT = [
    {"role": "system", "content": "You are helpful."},
    {"role": "user", "content": "Write a poem."},
    {"role": "assistant", "content": "Roses ..."},
    {"role": "user", "content": "Shorter."},
]


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.json", ALPACA, ["Name three rivers.", "Translate the text."]),
        ("strings.json", ["Count to ten.", "Stop."], ["Count to ten.", "Stop."]),
        ("chats.json", [{"messages": CHAT}], ["Write a poem."]),
        ("bare_chats.json", [CHAT], ["Write a poem."]),
        ("wrapped.json", {"data": ALPACA}, ["Name three rivers.", "Translate the text."]),
        ("share.json", [{"conversations": [{"from": "human", "value": "Sing."}]}], ["Sing."]),
        ("lines.jsonl", '{"prompt": "One."}\n\n{"question": "Two?"}\n', ["One.", "Two?"]),
        ("lines.json", '{"prompt": "One."}\n{"prompt": "Two."}\n', ["One.", "Two."]),
        ("plain.txt", "One.\nTwo.\n", ["One.", "Two."]),
        ("cells.csv", "instruction,output\nSort it.,done\n", ["Sort it."]),
        (
            "parts.jsonl",
            json.dumps({"messages": [{"role": "user", "content": [{"type": "image"}, {"text": "Describe."}]}]}),
            ["Describe."],
        ),
    ],
)  # fmt: skip
def test_every_format_gives_the_same_rows(tmp_path, name, content, texts):
    found = read_instructions(write(tmp_path / name, content))
    assert found.texts == texts
    assert found.bad == []


def test_parquet_with_chats_and_with_plain_columns(tmp_path):
    pl.DataFrame({"instruction": ["Sing.", None], "input": ["low", "high"]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"messages": [CHAT]}).write_parquet(tmp_path / "b.parquet")
    found = read_instructions(tmp_path / "a.parquet")
    assert [(row.row, row.text, row.input) for row in found.rows] == [(1, "Sing.", "low")]
    assert [(bad.row, bad.reason) for bad in found.bad] == [(2, "its instruction is empty")]
    assert read_instructions(tmp_path / "b.parquet").texts == ["Write a poem."]


BAD = [
    ('"  "', "the text is empty"),
    ('"?!"', "the text has no letter and no digit"),
    ("7", "an object, a chat or a string is needed, this is a number"),
    ('{"instruction": ""}', "field 'instruction' is empty"),
    ('{"instruction": null}', "its instruction is empty"),
    ('{"instruction": 3}', "field 'instruction' must be a string, this is a number"),
    ('{"output": "x"}', "it has none of the fields"),
    ('{"messages": [{"role": "assistant", "content": "x"}]}', "the chat has no message of the user"),
    ('{"messages": ["x"]}', "a message must be an object, this is a string"),
    ('{"messages": [{"role": "user", "content": 3}]}', "the user's message must be a string, this is a number"),
    ('{"instruction": "cut', "it is not valid JSON"),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_a_bad_row_is_reported_with_its_line_and_the_rest_is_read(tmp_path, line, reason):
    path = write(tmp_path / "rows.jsonl", f'{{"instruction": "First."}}\n{line}\n{{"instruction": "Third."}}\n')
    found = read_instructions(path)
    assert [(row.row, row.text) for row in found.rows] == [(1, "First."), (3, "Third.")]
    [bad] = found.bad
    assert bad.row == 2
    assert bad.reason.startswith(reason)
    assert found.notes() == [f"1 row was left out of rows.jsonl: {bad.reason} (row 2)."]


def test_notes_name_the_first_rows_of_each_reason(tmp_path):
    lines = ['{"instruction": "Fine."}', *['{"instruction": " "}'] * 7, "{"]
    found = read_instructions(write(tmp_path / "r.jsonl", "\n".join(lines)))
    assert found.notes() == [
        "7 rows were left out of r.jsonl: field 'instruction' is empty (rows 2, 3, 4, 5, 6, …).",
        "1 row was left out of r.jsonl: it is not valid JSON (row 9).",
    ]


def test_a_named_field_wins_and_limit_keeps_the_first_usable_rows(tmp_path):
    rows = [{"instruction": "a", "task": "Count."}, {"instruction": "b"}, {"task": "Sing."}, {"task": "Stop."}]
    path = write(tmp_path / "a.json", rows)
    assert read_instructions(path, field="task", limit=2).texts == ["Count.", "Sing."]
    assert read_instructions(path, limit=1).rows[0].record == rows[0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.jsonl", '{"output": "x"}\n', "must hold at least one instruction. 1 row was left out"),
        ("empty.json", "[]", "must hold at least one instruction. empty.json is empty."),
    ],
)
def test_a_file_without_instructions_is_refused(tmp_path, name, content, said):
    with pytest.raises(InputError, match=said):
        read_instructions(write(tmp_path / name, content))


def test_a_missing_file_a_folder_and_a_bad_limit_are_refused(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        read_instructions(tmp_path / "none.json")
    with pytest.raises(InputError, match="is a folder"):
        read_instructions(tmp_path)
    with pytest.raises(InputError, match="--limit must be at least 1"):
        read_instructions(tmp_path / "none.json", limit=0)
