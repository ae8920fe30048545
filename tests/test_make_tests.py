"""make-tests against a chat server on this machine that answers by rule, well or badly as a test wants."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answerspace.cli.main import run
from answerspace.evaluation.making.chat import json_object
from answerspace.evaluation.making.checks import likeness, named, normal, too_alike, wrong_length
from answerspace.evaluation.making.pairs import pair_drafts
from answerspace.evaluation.making.triplets import UTTERANCES, triplet_drafts
from answerspace.evaluation.suites import select_tasks
from answerspace.evaluation.tasks.content import read_content
from answerspace.evaluation.tasks.rows import Data

INTENTS = ("change my address", "report a lost card", "close the account", "order a statement")
TEXTS = [f"hello number {i} please {intent}" for i, intent in enumerate(INTENTS * 2)]
GLAD = "lovely morning everyone cannot wait sunny thanks ahead"
ANGRY = "third time now nobody replies truly awful useless mess"
PAIRS = [
    ("A man is feeding a horse.", "A man is feeding a camel."),
    ("Two girls ride bicycles.", "Two girls ride ponies."),
    ("The bus is red.", "The bus is blue."),
]
Say = Callable[[str, str], str]  # role, request -> answer


# --- a server ----------------------------------------------------------------------------------------------------


class Server:
    """``say`` may be exchanged while it runs; ``requests`` are kept as (model, temperature, request)."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.requests: list[tuple[str, float, str]] = []
        self.keys: set[str] = set()
        self.lock = threading.Lock()
        self.url = ""


@contextmanager
def serving(say: Say) -> Iterator[Server]:
    server = Server(say)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            role, request = (message["content"] for message in body["messages"])
            with server.lock:
                server.requests.append((body["model"], body["temperature"], request))
                server.keys.add(self.headers["Authorization"])
            answer = server.say(role, request) if self.path == "/v1/chat/completions" else "404 no such path"
            code = int(answer[:3]) if re.match(r"[45]\d\d ", answer) else 200
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}
            reply = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
            data = json.dumps(reply if code == 200 else {"error": {"message": answer}}).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
    thread.start()
    server.url = f"http://127.0.0.1:{listening.server_address[1]}/v1"
    try:
        yield server
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def good(role: str, request: str) -> str:
    """A model that does what it is asked, and reads rightly."""
    if "Message 1" in request:
        first, second = re.findall(r"Message \d \((.+?)\): hello (number \d+)", request)
        made = {
            f"{name}_{tone}": f"{words} {what[0]} {name} {first[1]} {second[1]}"
            for name, what in (("u1", first), ("u2", second))
            for tone, words in (("opt", GLAD), ("fru", ANGRY))
        }
        return f"Sure! ```json\n{json.dumps(made)}\n```"
    if "What does the customer need?" in request:
        text, a = re.search(r"writes: (.+)", request)[1], re.search(r"A: (.+?)\. B:", request)[1]
        feeling = "optimistic" if GLAD in text else "frustrated"
        return json.dumps({"need": "A" if a in text else "B", "feeling": feeling})
    if "Sentence 1:" in request:
        return json.dumps({"q_diff": "What is special about it?", "q_same": "Is somebody asleep there?"})
    if "Sentence A:" in request:
        same = "asleep" in request
        return json.dumps({"a": "no" if same else "one", "b": "no" if same else "another", "same": same})
    if "Original instruction:" in request:
        numbers = [int(n) for n, kind in re.findall(r"(\d+)\. (\w+)", request) if kind != "wrongly"]
        return json.dumps({"yes": numbers})
    kind = "wrongly" if "something else" in request else "hinting" if "indirectly" in request else "plainly"
    return json.dumps({"instructions": [f"{kind} {word} one{i} two{i} three{i}?" for i, word in enumerate("abcd")]})


def make(server: Server, recipe: str, source, output, *more: str) -> int:
    words = ["make-tests", recipe, str(source), "--model", "m", "--endpoint", server.url, "--output", str(output)]
    return run([*words, "--quiet", *more])


@pytest.fixture
def intents(tmp_path):
    path = tmp_path / "intents.jsonl"
    rows = [{"text": text, "intent": intent} for text, intent in zip(TEXTS, INTENTS * 2, strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "sts.jsonl"
    path.write_text("".join(json.dumps({"sentence1": a, "sentence2": b}) + "\n" for a, b in PAIRS))
    return path


@pytest.fixture
def folder(tmp_path):
    """A corpus with two criteria."""
    path = tmp_path / "corpus"
    path.mkdir()
    rows = [{"text": f"Note {i}", "place": "ab"[i % 2], "mood": "xy"[i // 2 % 2]} for i in range(4)]
    (path / "notes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    criteria = {
        f"notes.{field}": {"file": "notes.jsonl", "field": field, "question": f"What {field}?", "labels": labels}
        for field, labels in (("place", ["a", "b"]), ("mood", ["x", "y"]))
    }
    (path / "criteria.json").write_text(json.dumps(criteria))
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- the three recipes -------------------------------------------------------------------------------------------


def test_triplets_are_made_and_load_as_the_written_suite(intents, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    out = tmp_path / "out"
    with serving(good) as server:
        assert make(server, "triplets", intents, out) == 0
    assert "8 made, 8 of them now, 0 given up" in capsys.readouterr().out
    rows = lines(out / "intent_emotion.jsonl")
    assert set(rows[0]) == {"id", "intent1", "intent2", *UTTERANCES}
    assert all(row["intent1"] != row["intent2"] for row in rows)
    assert {row["intent1"] for row in rows[:4]} == set(INTENTS)  # every intent once before any twice
    task = select_tasks(["written"], Data(out), only=["written.triplets"])[0]
    assert [len(one.anchors) for one in read_content(task, Data(out))] == [16, 16]
    assert server.keys == {"Bearer secret"}
    assert {temperature for _, temperature, request in server.requests if "Message 1" in request} == {0.9}
    about = json.loads((out / "made.json").read_text())["triplets"]
    assert (about["model"], about["rows"], about["verify"]) == ("m", 8, True)
    assert "secret" not in "".join(path.read_text() for path in out.rglob("*") if path.is_file())


def test_pairs_are_made_and_load(pairs, tmp_path):
    out = tmp_path / "out"
    with serving(good) as server:
        assert make(server, "pairs", pairs, out) == 0
    rows = lines(out / "instruct_sts.jsonl")
    assert {(row["s1"], row["s2"]) for row in rows} == set(PAIRS)
    task = select_tasks(["written"], Data(out), only=["written.pairs"])[0]
    content = read_content(task, Data(out))
    assert sorted(content.ratings) == [0, 0, 0, 1, 1, 1]


def test_wordings_are_made_beside_a_copy_of_their_corpus_and_load(folder, tmp_path):
    out = tmp_path / "out"
    with serving(good) as server:
        assert make(server, "wordings", folder, out, "--number", "4") == 0
    lists = json.loads((out / "robustness.json").read_text())
    assert set(lists) == {"notes.place", "notes.mood"}
    assert [len(lists["notes.mood"][kind]) for kind in ("correct", "implicit", "incorrect")] == [4, 4, 4]
    assert lists["notes.mood"]["original"] == "What mood?"
    task = select_tasks(["written"], Data(out), only=["notes.mood.wording"])[0]
    assert len(read_content(task, Data(out)).instructions) == 13


# --- what a bad answer leads to ----------------------------------------------------------------------------------


def test_a_refused_answer_is_asked_for_again_with_its_faults(pairs, tmp_path):
    said = iter(["no idea", json.dumps({"q_diff": "Which animal", "q_same": ""})])

    def say(role, request):
        return next(said, None) or good(role, request)

    with serving(say) as server:
        assert make(server, "pairs", pairs, tmp_path / "out", "--count", "1", "--parallel", "1") == 0
    first, second, third = (request for _, _, request in server.requests[:3])
    assert "refused" not in first
    assert "- the answer must be one JSON object" in second
    assert "- 'q_same' must be a non-empty string" in third


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        ({"u1_opt": f"I am optimistic {GLAD}"}, "u1_opt must not say optimistic"),
        ({"u1_fru": "No."}, "u1_fru must have 4 to 70 words, it has 1"),
        ({"u2_opt": f"{ANGRY} again", "u2_fru": f"{ANGRY} indeed"}, "u2_opt and u2_fru must be worded differently"),
        ({"u2_fru": 7}, "'u2_fru' must be a non-empty string"),
    ],
)
def test_what_a_triplet_may_not_say(made, fault):
    draft = triplet_drafts(["a text here", "another text"], ["one", "two"])[0]
    texts = {
        key: f"{key} {words} {number}"
        for number, (key, words) in enumerate(zip(UTTERANCES, (GLAD, ANGRY, GLAD[::-1], ANGRY[::-1]), strict=True))
    }
    assert draft.accept(texts).faults == []
    verdict = draft.accept(texts | made)
    assert verdict.row is None
    assert fault in verdict.faults


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        ({"q_diff": "What is the man feeding"}, "q_diff must end with a question mark"),
        ({"q_diff": "Who is feeding a horse?"}, "q_diff must not quote one of the sentences"),
        ({"q_diff": "Is it day there?"}, "q_diff and q_same must be worded differently"),
    ],
)
def test_what_a_question_of_a_pair_may_not_be(made, fault):
    draft = pair_drafts(*zip(*PAIRS[:1], strict=True))[0]
    plain = {"q_diff": "Which animal gets food?", "q_same": "Is it day there?"}
    assert draft.accept(plain).faults == []
    assert any(fault in one for one in draft.accept(plain | made).faults)


def test_a_row_that_a_reader_finds_wrong_is_given_up_and_listed(pairs, tmp_path, capsys):
    """The model that reads always says that the answers differ: no q_same can pass, whatever is tried."""

    def say(role, request):
        return json.dumps({"a": "x", "b": "y", "same": False}) if "Sentence A:" in request else good(role, request)

    out = tmp_path / "out"
    with serving(say) as server:
        assert make(server, "pairs", pairs, out, "--tries", "2") == 2
        assert "must make at least one row that passes the checks" in capsys.readouterr().err
        rejected = lines(out / "rejected.jsonl")
        assert len(rejected) == len(PAIRS)
        assert rejected[0]["faults"] == ["q_same must give the same answer; a reader said 'x' and 'y'"]
        assert sum("Sentence 1:" in request for _, _, request in server.requests) == 2 * len(PAIRS)
        # without the second reading the same rows pass, in another folder
        assert make(server, "pairs", pairs, tmp_path / "unread", "--no-verify") == 0


def test_a_list_keeps_what_was_good_and_asks_for_the_rest(folder, tmp_path):
    turns: dict[str, int] = {}

    def say(role, request):
        if "Write 4 different" not in request:
            return good(role, request)
        kind = request.split("instructions ")[1][:20] + request.split("\n")[1]
        turns[kind] = turns.get(kind, 0) + 1
        answer = json.loads(good(role, request))["instructions"]
        return json.dumps({"instructions": [answer[0], answer[0], answer[1]] if turns[kind] == 1 else answer})

    out = tmp_path / "out"
    with serving(say) as server:
        assert make(server, "wordings", folder, out, "--number", "4", "--count", "1") == 0
    again = [request for _, _, request in server.requests if "2 more are needed" in request]
    assert len(again) == 3
    lists = json.loads((out / "robustness.json").read_text())["notes.place"]
    assert all(len(set(lists[kind])) == 4 for kind in ("correct", "implicit", "incorrect"))


# --- going on ----------------------------------------------------------------------------------------------------


def test_a_stopped_run_goes_on_and_asks_for_nothing_twice(intents, tmp_path, capsys):
    out = tmp_path / "out"
    asked: list[str] = []

    def failing(role, request):
        asked.append(request)
        return "401 no" if sum("Message 1" in one for one in asked) > 3 else good(role, request)

    with serving(failing) as server:
        assert make(server, "triplets", intents, out, "--parallel", "1") == 2
        assert "must answer as OpenAI's chat completions do" in capsys.readouterr().err
        assert not (out / "intent_emotion.jsonl").exists()
        with (out / ".work" / "triplets.jsonl").open("a") as file:
            file.write('{"id": "t-00004", "u1')  # cut off by a power failure
        server.say = good
        server.requests.clear()
        assert make(server, "triplets", intents, out) == 0
        assert sum("Message 1" in request for _, _, request in server.requests) == 8 - 3
        assert [row["id"] for row in lines(out / "intent_emotion.jsonl")] == [f"t-{i:05d}" for i in range(1, 9)]
        server.requests.clear()
        assert make(server, "triplets", intents, out) == 0
        assert server.requests == []


def test_more_of_the_same_may_follow_but_not_another_model(intents, tmp_path, capsys):
    out = tmp_path / "out"
    with serving(good) as server:
        assert make(server, "triplets", intents, out, "--count", "2") == 0
        first = lines(out / "intent_emotion.jsonl")
        assert make(server, "triplets", intents, out, "--count", "4") == 0
        assert lines(out / "intent_emotion.jsonl")[:2] == first
        assert make(server, "triplets", intents, out, "--seed", "1") == 2
        assert "settings it was begun with. Got another seed" in capsys.readouterr().err


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["poems", "{intents}"], "A recipe must be one of triplets, pairs, wordings. Got 'poems'"),
        (["triplets", "{intents}", "--second", "label"], "no column 'label'"),
        (["triplets", "nowhere.csv"], "There is no file 'nowhere.csv'"),
        (["wordings", "{intents}"], "Wordings are made from a folder with criteria.json"),
        (["pairs", "{intents}"], "no column 'sentence1'"),
        (["triplets", "{intents}", "--endpoint", "localhost"], "--endpoint must start with http"),
    ],
)
def test_bad_input_gets_a_sentence_and_no_request(arguments, said, intents, tmp_path, capsys):
    with serving(good) as server:
        words = [one.format(intents=intents) for one in arguments]
        options = ["--model", "m", "--endpoint", server.url, "--output", str(tmp_path / "out")]
        assert run(["make-tests", *words[:2], *options, *words[2:]]) == 2
        assert server.requests == []
    assert said in capsys.readouterr().err


def test_one_intent_is_not_enough(tmp_path, capsys):
    path = tmp_path / "one.jsonl"
    path.write_text('{"text": "a b c", "intent": "x"}\n{"text": "d e f", "intent": "x"}\n')
    with serving(good) as server:
        assert make(server, "triplets", path, tmp_path / "out") == 2
    assert "at least two intents. Got 1" in capsys.readouterr().err


# --- small rules -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Here you are:\n```json\n{"a": {"b": "}"}}\n```\nAnything else?', {"a": {"b": "}"}}),
        ("[1]", None),
        ("{broken", None),
        ("}{", None),
        ("", None),
    ],
)
def test_the_object_in_an_answer(answer, found):
    assert json_object(answer) == found


@settings(deadline=None)  # how long it takes says nothing
@given(st.text(), st.text())
def test_likeness_is_a_share_the_same_both_ways(first, second):
    assert 0 <= likeness(first, second) == likeness(second, first) <= 1
    if normal(first):
        assert likeness(first, first) == 1


def test_the_checks_name_what_is_wrong():
    assert wrong_length("x", "one two", 1, 2) == []
    assert wrong_length("x", "one two three", 1, 2) == ["x must have 1 to 2 words, it has 3"]
    assert named("x", "Frustration is a word.", ("frustrat",)) == ["x must not say frustration"]
    assert too_alike({"a": "The cat sat.", "b": "the CAT sat!"}) == ["a and b must be worded differently"]
    assert too_alike({"a": "The cat sat.", "b": "A dog ran off."}) == []
