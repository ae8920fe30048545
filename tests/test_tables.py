import io
import sys

import polars as pl
import pytest

from answerspace.errors import InputError
from answerspace.tables import Table, column_texts, read_table, text_column, write_csv, write_parquet


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "id,text\n007,good soup\n8,bad soup\n"),
        ("a.csv", "id;text\r\n007;good soup\r\n8;bad soup\r\n"),
        ("a.tsv", "id\ttext\n007\tgood soup\n8\tbad soup\n"),
        ("a.jsonl", '{"id": "007", "text": "good soup"}\n\n{"id": "8", "text": "bad soup"}\n'),
        ("a.json", '[{"id": "007", "text": "good soup"}, {"id": "8", "text": "bad soup"}]'),
        ("a.data", "id,text\n007,good soup\n8,bad soup\n"),
        ("a.data", "id\ttext\n007\tgood soup\n8\tbad soup\n"),
        ("a.data", '{"id": "007", "text": "good soup"}\n{"id": "8", "text": "bad soup"}'),
    ],
)
def test_every_format_gives_the_same_frame(tmp_path, name, content):
    table = read_table(written(tmp_path, name, content))
    assert table.frame.to_dict(as_series=False) == {"id": ["007", "8"], "text": ["good soup", "bad soup"]}
    assert table.notes == []
    assert text_column(table) == "text"


def test_parquet_keeps_types_and_is_recognised_by_content(tmp_path):
    frame = pl.DataFrame({"n": [1, 2], "text": ["a", None], "tags": [["x"], []]})
    write_parquet(frame, tmp_path / "a.bin")
    assert read_table(tmp_path / "a.bin").frame.equals(frame)


@pytest.mark.parametrize("suffix", ["txt", "unknown"])
def test_plain_lines_keep_line_numbers_as_rows(tmp_path, suffix):
    table = read_table(written(tmp_path, f"a.{suffix}", "One, two.\r\n\r\nThree, four, five.\n"))
    assert table.frame["text"].to_list() == ["One, two.", "", "Three, four, five."]


def test_standard_input_is_sniffed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"id,text\n1,hello there\n")))
    table = read_table("-")
    assert table.frame.columns == ["id", "text"]
    assert table.name == "Standard input"


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_byte_order_marks_are_obeyed(tmp_path, codec):
    table = read_table(written(tmp_path, "a.csv", "text\ncafé\n".encode(codec)))
    assert table.frame.to_dict(as_series=False) == {"text": ["café"]}


def test_an_unmarked_encoding_is_asked_for_and_taken(tmp_path):
    path = written(tmp_path, "a.csv", "text\nok\ncafé\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"cannot be read as utf-8 \(line 3\): .*--encoding cp1252"):
        read_table(path)
    assert read_table(path, encoding="cp1252").frame["text"].to_list() == ["ok", "café"]
    with pytest.raises(InputError, match="known encoding"):
        read_table(path, encoding="klingon")


def test_utf16_without_a_mark_is_told_apart(tmp_path):
    with pytest.raises(InputError, match="--encoding utf-16"):
        read_table(written(tmp_path, "a.csv", "text\nhello\n".encode("utf-16-le")))


def test_malformed_rows_are_skipped_and_named_by_line(tmp_path):
    content = 'id,text\n1,good\n2,bad,extra\n"3","two\nlines"\n4\n5,"never closed\n6,fine\n7,"x"y\n8,last\n'
    table = read_table(written(tmp_path, "a.csv", content))
    assert table.frame["id"].to_list() == ["1", "3", "6", "8"]
    assert table.frame["text"].to_list() == ["good", "two\nlines", "fine", "last"]
    assert table.notes == ["4 rows of a.csv were skipped because they are not a row of 2 cells (lines 3, 6, 7, 9)."]


def test_many_malformed_rows_suggest_plain_lines(tmp_path):
    table = read_table(written(tmp_path, "a.csv", "text\nI came, I saw\nwell, well\nfine\n"))
    assert "--format lines" in table.notes[0]


def test_broken_json_lines_are_skipped_and_named(tmp_path):
    table = read_table(written(tmp_path, "a.jsonl", '{"text": "a"}\n{"text": \n[1]\n{"text": "b", "n": 1}\n'))
    assert table.frame.to_dict(as_series=False) == {"text": ["a", "b"], "n": [None, 1]}
    assert table.notes == ["2 rows of a.jsonl were skipped because they are not a JSON object (lines 2, 3)."]


def test_a_cell_of_a_hundred_thousand_words(tmp_path):
    book = "word " * 100_000
    table = read_table(written(tmp_path, "a.csv", f'text,id\n"{book}",1\n'))
    assert table.frame["text"].to_list() == [book]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "empty"),
        ("a.csv", " \n\n", "empty"),
        ("a.csv", "id,text\n", "header but no rows"),
        ("a.jsonl", "nonsense\n", "nothing to read"),
        ("a.parquet", "nonsense", "not a readable Parquet"),
        ("a.csv", b"PK\x03\x04rest", "Excel"),
    ],
)
def test_unusable_files(tmp_path, name, content, message):
    with pytest.raises(InputError, match=message):
        read_table(written(tmp_path, name, content))


def test_missing_file_folder_and_wrong_options(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_table(tmp_path)
    path = written(tmp_path, "a.csv", "text\na\n")
    with pytest.raises(InputError, match="one of csv, tsv"):
        read_table(path, format="xlsx")
    with pytest.raises(InputError, match="--limit"):
        read_table(path, limit=0)


def test_limit_keeps_the_first_rows(tmp_path):
    assert read_table(written(tmp_path, "a.txt", "a\nb\nc\n"), limit=2).frame["text"].to_list() == ["a", "b"]


def test_repeated_and_nameless_columns_get_names(tmp_path):
    table = read_table(written(tmp_path, "a.csv", "text,text,\na,b,c\n"))
    assert table.frame.columns == ["text", "text_2", "column_3"]
    assert "more than once" in table.notes[0]


def test_cells_that_are_no_text():
    frame = pl.DataFrame(
        {"a": [1.0, 2.5, float("nan"), None], "b": ["x", " ", "NaN", "none"], "c": [[1], [], None, []]}
    )
    assert column_texts(frame, "a")[0] == ["1", "2.5", "", ""]
    assert column_texts(frame, "b")[0] == ["x", "", "", "none"]
    assert column_texts(frame, "c")[0] == ["[1]", "[]", "", "[]"]
    assert column_texts(frame, "a")[1] == [
        "2 cells of column 'a' without a text: kept in the output, not embedded.",
        "2 cells of column 'a' held numbers or other values: turned into text.",
    ]


def test_mixed_json_cells_become_text_with_a_note(tmp_path):
    table = read_table(written(tmp_path, "a.jsonl", '{"text": "a"}\n{"text": 5}\n{"text": NaN}\n{"text": {"b": 1}}\n'))
    assert table.frame["text"].to_list() == ["a", "5", None, '{"b": 1}']
    assert "mixes kinds" in table.notes[0]


def test_integers_beyond_64_bits_survive(tmp_path):
    table = read_table(
        written(tmp_path, "a.jsonl", '{"text": "a", "n": 1}\n{"text": "b", "n": 99999999999999999999}\n')
    )
    assert table.frame["n"].to_list() == ["1", "99999999999999999999"]


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ({"only": ["1"]}, "only"),
        ({"id": ["1"], "when": ["2024-01-01"], "note": ["bad soup"]}, "note"),
        ({"subject": ["soup"], "review": ["the soup was cold again"]}, "review"),
    ],
)
def test_the_only_text_like_column_is_found(columns, chosen):
    assert text_column(Table(pl.DataFrame(columns), "a.csv")) == chosen


def test_unclear_and_unknown_columns_are_answered_with_the_names():
    table = Table(pl.DataFrame({"a": ["one two three four"], "b": ["five six seven eight"]}), "x.csv")
    with pytest.raises(InputError, match=r"--column. x.csv has: a, b\."):
        text_column(table)
    with pytest.raises(InputError, match=r"no column 'c'. Its columns are: a, b\."):
        text_column(table, "c")


def test_nested_columns_are_json_in_csv(tmp_path):
    write_csv(pl.DataFrame({"text": ["a"], "tags": [["x", "y"]]}), tmp_path / "out.csv")
    assert read_table(tmp_path / "out.csv").frame["tags"].to_list() == ['["x", "y"]']
