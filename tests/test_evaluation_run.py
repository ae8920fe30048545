"""A run of the evaluation: resume, any encoder, summaries and differences, the document, the tables, the command."""

from __future__ import annotations

import csv
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from evaluation_data import WRITTEN, Blind, Oracle, contender, write_rows, written_with_lists

from answerspace import Embedder, InputError
from answerspace.backbones.fake import FakeBackbone
from answerspace.cli.main import run
from answerspace.evaluation.encoders.baselines import RandomEncoder
from answerspace.evaluation.encoders.contenders import baseline, models
from answerspace.evaluation.encoders.endpoint import EndpointEncoder
from answerspace.evaluation.encoders.own import EmbedderVariation
from answerspace.evaluation.judging import Judged
from answerspace.evaluation.protocol import make_protocol
from answerspace.evaluation.results import DOCUMENT, read_evaluation, to_document
from answerspace.evaluation.run import evaluate
from answerspace.evaluation.scores import Score
from answerspace.evaluation.suites import select_tasks
from answerspace.evaluation.summaries import summarise
from answerspace.evaluation.tables import csv_text, latex, lines_of, markdown, write_tables
from answerspace.evaluation.tasks.inbedder import LOCAL, NYT, SETS
from answerspace.evaluation.tasks.rows import Data
from answerspace.evaluation.vectors import Vectors
from answerspace.protocols import Encoder

TWO_SEEDS = make_protocol(seeds=2)


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    data = written_with_lists(tmp_path_factory.mktemp("data") / "written")
    return select_tasks(["written"], data), data


@pytest.fixture(scope="module")
def evaluation(lists):
    """The oracle and chance on everything of the small folder."""
    tasks, data = lists
    return evaluate(
        [contender("oracle", Oracle(tasks, data)), contender("chance", RandomEncoder(8), "baseline")],
        tasks,
        data,
        TWO_SEEDS,
    )


# --- what a run gives --------------------------------------------------------------------------------------------


def test_every_number_carries_its_protocol(evaluation):
    assert {one.protocol for one in evaluation.results} == {TWO_SEEDS.sentence}
    assert "2 seeds of full k-means with 10 starts" in TWO_SEEDS.sentence
    assert TWO_SEEDS.sentence in markdown(evaluation)
    assert "mini-batch" in make_protocol("published").sentence


def test_summaries_are_means_over_the_tasks_they_name(evaluation):
    by_measure = {(one.suite, one.measure, one.encoder): one for one in evaluation.summaries}
    mean = by_measure["written", "mean V", "oracle"]
    assert mean.tasks == ["notes.place", "notes.mood"]
    values = [evaluation.result(name, "oracle").main.value for name in mean.tasks]
    assert mean.score.value == pytest.approx(np.mean(values))
    chance = by_measure["written", "mean V", "chance"]
    seeds = [evaluation.result(name, "chance").seeds["v_measure"] for name in mean.tasks]
    assert chance.score.high - chance.score.value == pytest.approx(np.mean(seeds, axis=0).std(ddof=1))


@pytest.mark.parametrize(
    ("only", "mean"),
    [
        (["notes.place", "notes.mood"], "mean V of 2 of 3 criteria"),
        (["notes.*", "written.triplets"], "mean V"),  # all criteria are there
        ([], "mean V"),
        (["notes.place"], None),  # one task has no mean
    ],
)
def test_a_mean_over_some_of_a_suite_says_of_how_many(tmp_path, only, mean):
    data = written_with_lists(tmp_path / "written")
    (tmp_path / "written" / "robustness.json").unlink()
    criteria = json.loads((tmp_path / "written" / "criteria.json").read_text())
    criteria["notes.room"] = criteria["notes.place"] | {"question": "Which room is it?"}
    (tmp_path / "written" / "criteria.json").write_text(json.dumps(criteria))
    tasks = select_tasks(["written"], data, only=only)
    found = evaluate([contender("chance", RandomEncoder(8))], tasks, data, make_protocol(seeds=1))
    assert [one.measure for one in found.summaries] == ([mean] if mean else [])
    assert mean is None or f"| written: {mean} " in markdown(found)


def test_the_papers_averages_are_over_all_of_its_tests(tmp_path):
    tasks = select_tasks(["awareness"], Data(tmp_path), only=["NYT*"])
    assert [task.name for task in tasks] == list(NYT)
    score, draws = Score(50, 50, 50, "by hand"), np.full(3, 50.0)
    found = {task.name: Judged({"v_measure": score}, {"v_measure": draws}, {"v_measure": [50.0]}) for task in tasks}
    assert summarise("x", tasks, found, None) == []


def test_differences_are_paired_and_point_the_right_way(evaluation):
    found = {(one.scope, one.measure): one for one in evaluation.differences}
    place = found["notes.place", "v_measure"]
    assert (place.encoder, place.against) == ("oracle", "chance")
    both = [evaluation.result("notes.place", name).main.value for name in ("oracle", "chance")]
    assert place.score.value == pytest.approx(both[0] - both[1])
    assert place.score.low > 0
    assert ("written", "mean V") in found


def test_equal_encoders_differ_by_exactly_0(lists):
    tasks, data = lists
    twins = [contender("one", RandomEncoder(8)), contender("other", RandomEncoder(8), "baseline")]
    for one in evaluate(twins, tasks, data, TWO_SEEDS).differences:
        assert (one.score.value, one.score.low, one.score.high) == (0, 0, 0), one.scope


def test_the_document_comes_back_equal_and_has_mteb_keys(evaluation, tmp_path):
    paths = write_tables(evaluation, tmp_path / "out")
    assert [path.name for path in paths] == [DOCUMENT, "scores.md", "scores.csv", "scores.tex"]
    assert read_evaluation(tmp_path / "out") == evaluation
    result = to_document(evaluation)["results"][0]
    assert {"task_name", "dataset_revision", "mteb_version", "scores", "evaluation_time"} <= set(result)
    entry = result["scores"]["test"][0]
    assert entry["main_score"] == pytest.approx(evaluation.results[0].main.value / 100)
    assert {"hf_subset", "languages", "harmonic_mean"} <= set(entry)


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', '{"format": 1}'])
def test_a_document_that_evaluate_did_not_write_is_refused(tmp_path, text):
    (tmp_path / DOCUMENT).write_text(text)
    with pytest.raises(InputError, match=DOCUMENT):
        read_evaluation(tmp_path)
    with pytest.raises(InputError, match="must exist"):
        read_evaluation(tmp_path / "nowhere.json")


def test_published_numbers_stand_apart_and_name_their_source(tmp_path):
    (tmp_path / "inbedder").mkdir()
    for name, file, *_, rows, classes, _, _ in SETS:
        if name in LOCAL[2:]:  # the smallest
            made = [{"text": f"{i}", "cluster": f"{i % classes}"} for i in range(rows)]
            write_rows(tmp_path / "inbedder" / file, made)
    data = Data(tmp_path)
    tasks = select_tasks(["inbedder-local"], data, only=["FeedbacksClustering"])
    found = evaluate([contender("chance", RandomEncoder(4))], tasks, data, make_protocol("published"))
    rows = {row.system: row for row in found.published}
    assert rows["roberta-large-InBedder"].value == 27.0
    assert "result files" in rows["roberta-large-InBedder"].source
    beside = markdown(found).split("Beside published numbers")[1].splitlines()
    head, _, line = (row.split("|") for row in beside[2:5])
    assert (
        dict(zip((one.strip() for one in head), line, strict=True))["published: roberta-large-InBedder"].strip()
        == "27.0"
    )
    assert "not measured here" in markdown(found)
    assert "\\textit{27.0}" in latex(found)
    assert not {"roberta-large-InBedder"} & {one.name for one in found.encoders}
    assert found.results[0].main.spread == "one k-means run"


def test_our_own_sets_have_no_published_numbers(evaluation):
    assert evaluation.published == []
    assert "published" not in markdown(evaluation)


def test_the_csv_holds_every_measure_and_the_tables_the_chosen_ones(evaluation):
    rows = list(csv.DictReader(csv_text(evaluation).splitlines()))
    assert {row["published"] for row in rows} == {"no"}
    assert "delta_correct_min_max" in {row["measure"] for row in rows if row["scope"] == "notes.place.wording"}
    shown = [line.measure for line in lines_of(evaluation) if line.scope == "notes.place.wording"]
    assert shown == ["delta_correct", "delta_implicit", "wording_drop"]
    assert "\\toprule" in latex(evaluation)
    assert "notes.place.wording: original - correct" in markdown(evaluation)


def test_generic_quality_is_a_share_of_all_minilms(tmp_path):
    import polars as pl

    described = {}
    columns = ("agnews_test.topic", "reuters21578.topic", "newsgroups20.newsgroup", "stackoverflow.tag")
    for name in (*columns, "dbpedia14_test.class", "amazon_multidomain.product"):
        stem, column = name.split(".")
        texts = [f"{'sun' if i % 2 else 'rain'} {stem} {i}" for i in range(8)]
        pl.DataFrame({"text": texts, column: ["a", "b"] * 4}).write_parquet(tmp_path / f"{stem}.parquet")
        described[stem] = {"rows": 8, "criteria": {column: "What?"}}
    (tmp_path / "criteria.json").write_text(json.dumps(described))
    numbers = range(12)
    pairs = {"text1": [f"a{i}" for i in numbers], "text2": [f"b{i}" for i in numbers], "score": [*map(float, numbers)]}
    pl.DataFrame(pairs).write_parquet(tmp_path / "stsb_test.parquet")
    data = Data(tmp_path)
    tasks = select_tasks(["generic-local"], data)
    assert {task.questions[0].instruction for task in tasks} == {"What is the text about?"}

    class Turning(RandomEncoder):
        """Puts b0, b1, ... ever nearer to every a; other texts are random."""

        def encode(self, texts, *, instruction):
            vectors = super().encode(texts, instruction=instruction)
            for row, text in zip(vectors, texts, strict=True):
                if text[0] in "ab" and text[1:].isdecimal():
                    angle = 0 if text[0] == "a" else 1.2 - 0.1 * int(text[1:])
                    row[:] = np.cos(angle), np.sin(angle)
            return vectors

    twins = [contender("ours", Turning(2)), contender("minilm", Turning(2), "baseline")]
    kept = {
        one.measure: one.score for one in evaluate(twins, tasks, data, TWO_SEEDS).summaries if one.encoder == "ours"
    }
    assert kept["V kept, % of all-MiniLM"].value == kept["STS-B kept, % of all-MiniLM"].value == 100
    alone = evaluate(twins[:1], tasks, data, TWO_SEEDS)
    assert [one.measure for one in alone.summaries] == ["mean V"]


# --- resume ------------------------------------------------------------------------------------------------------


class Stopping(Blind):
    """Stops at its n-th call."""

    def __init__(self, calls):
        super().__init__()
        self.left = calls

    def encode(self, texts, *, instruction):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().encode(texts, instruction=instruction)


def test_a_stopped_run_goes_on_where_it_was(lists, tmp_path):
    tasks, data = lists
    first, second = Stopping(3), Blind()  # the probe and two questions to whole chunks
    with pytest.raises(KeyboardInterrupt):
        evaluate([contender("x", first)], tasks, data, TWO_SEEDS, output=tmp_path)
    resumed = evaluate([contender("x", second)], tasks, data, TWO_SEEDS, output=tmp_path)
    probe = second.calls[0]
    assert not [call for call in second.calls[1:] if call in first.calls], "nothing is encoded twice"
    again = Blind()
    repeated = evaluate([contender("x", again)], tasks, data, TWO_SEEDS, output=tmp_path)
    assert again.calls == [probe]
    fresh = evaluate([contender("x", Blind())], tasks, data, TWO_SEEDS)
    for other in (repeated, fresh):
        assert [one.measures for one in other.results] == [one.measures for one in resumed.results]


def test_more_seeds_keep_the_runs_that_there_are(lists, tmp_path):
    tasks, data = lists
    task = [one for one in tasks if one.name == "notes.mood"]
    evaluate([contender("x", Blind())], task, data, make_protocol(seeds=1), output=tmp_path)
    (path,) = (tmp_path / ".work" / "clusterings").iterdir()
    with np.load(path) as arrays:
        marked = np.zeros_like(arrays["labels"])  # a run that no k-means would give
    np.savez(path, seeds=np.array([0]), labels=marked)
    found = evaluate([contender("x", Blind())], task, data, TWO_SEEDS, output=tmp_path)
    assert found.results[0].seeds["v_measure"][0] == 0
    assert found.results[0].seeds["v_measure"][1] > 0


def test_a_damaged_file_is_computed_again(lists, tmp_path):
    tasks, data = lists
    whole = evaluate([contender("x", Blind())], tasks, data, TWO_SEEDS, output=tmp_path)
    for path in (tmp_path / ".work").rglob("*.np[yz]"):
        path.write_bytes(path.read_bytes()[:40])
    again = evaluate([contender("x", Blind())], tasks, data, TWO_SEEDS, output=tmp_path)
    assert [one.measures for one in again.results] == [one.measures for one in whole.results]


def test_a_model_that_changed_under_its_name_does_not_meet_old_vectors(lists, tmp_path):
    tasks, data = lists
    old, new = (
        evaluate([contender("mine", RandomEncoder(8, seed))], tasks, data, TWO_SEEDS, output=tmp_path)
        for seed in (0, 1)
    )
    fresh = evaluate([contender("mine", RandomEncoder(8, 1))], tasks, data, TWO_SEEDS)
    assert [one.measures for one in new.results] == [one.measures for one in fresh.results]
    assert [one.measures for one in new.results] != [one.measures for one in old.results]


def test_all_data_is_checked_before_a_model_is_loaded(lists, tmp_path):
    _, data = lists
    (tmp_path / "criteria.json").write_text(json.dumps({"x.y": {"file": "x.jsonl", "field": "y", "question": "?"}}))

    def load(name):
        raise AssertionError("loaded")

    with pytest.raises(InputError, match="'labels' must list"):
        select_tasks(["written"], Data(tmp_path))
    tasks = select_tasks(["inbedder-local"], data)
    with pytest.raises(InputError, match=r"fewrel\.jsonl must exist"):
        evaluate(models(["x"], load), tasks, data, TWO_SEEDS)


# --- encoders ----------------------------------------------------------------------------------------------------


def test_equal_texts_are_encoded_once_and_a_blind_encoder_once_for_all_questions():
    blind, aware = Blind(), Blind()
    blind.blind = True
    for encoder, calls in ((blind, 1), (aware, 2)):
        found = Vectors(encoder, "x").ask_many(["a", "b", "a"], ["q?", "r?"])
        assert [texts for texts, _ in encoder.calls] == [["a", "b"]] * calls
        assert (found[0][0] == found[0][2]).all()
        assert len(found) == 2


def test_pairs_are_asked_each_its_own_question():
    encoder = RandomEncoder(4)
    found = Vectors(encoder, "x").ask_paired(["a", "b", "a"], ["q?", "r?", "r?"])
    asked = (("a", "q?"), ("b", "r?"), ("a", "r?"))
    wanted = [encoder.encode([text], instruction=question)[0] for text, question in asked]
    assert (found == np.array(wanted)).all()


@pytest.mark.parametrize(
    ("vectors", "message"),
    [(np.zeros(2, np.float32), "one vector per text"), (np.full((2, 3), np.nan), "finite numbers")],
)
def test_an_encoder_that_gives_something_else_is_refused(vectors, message):
    class Wrong:
        def encode(self, texts, *, instruction):
            return vectors

    with pytest.raises(InputError, match=message):
        Vectors(Wrong(), "x").ask(["a", "b"], "What?")


def test_our_embedder_reads_once_for_all_questions():
    backbone = FakeBackbone({"What?": {"soup": "food"}, "How?": {"soup": "cold"}})
    embedder = Embedder(backbone)
    found = Vectors(EmbedderVariation(embedder), "x").ask_many(["a soup", "a bus"], ["What?", "How?"])
    assert backbone.reads == 1
    assert (found[1] == embedder.encode(["a soup", "a bus"], "How?")).all()
    paired = Vectors(EmbedderVariation(embedder), "x").ask_paired(["a soup", "a soup"], ["What?", "How?"])
    assert (paired == np.stack([one[0] for one in found])).all()


def test_a_sweep_is_every_layer_by_aggregation_by_filter():
    embedder = Embedder(FakeBackbone({"What?": {"soup": "the food"}}))
    loaded = []

    def load(name):
        loaded.append(name)
        return embedder

    found = models(["bundled"], load, layers=[1, 2], aggregations=["first_answer", "mean_all"], filters="both")
    assert len(found) == 8
    assert found[0].facts.options == {"model": "bundled", "layer": 1, "aggregation": "first_answer", "filter": False}
    assert found[-1].facts.name == "bundled (layer 2, mean_all, filtered)"
    vectors = found[2].make().encode(["a soup"], instruction="What?")
    assert (vectors == embedder.encode(["a soup"], "What?", layer=1, aggregation="mean_all")).all()
    for one in found:
        one.make()
    assert loaded == [None]


def test_a_sweep_needs_a_model_of_ours():
    with pytest.raises(InputError, match="need a model of ours"):
        models(["x"], lambda name: RandomEncoder(4), layers=[1])[0].make()
    with pytest.raises(InputError, match="--filter must be one of off, on, both"):
        models(["x"], lambda name: None, filters="maybe")


@pytest.mark.parametrize(
    ("word", "options"),
    [
        ("minilm-prefix", {"model": "minilm", "join": "prefix"}),
        ("random", {"model": "random", "join": "none"}),
        ("st:org/model", {"model": "org/model", "join": "alone"}),
        ("st:org/model+prompt", {"model": "org/model", "join": "prompt"}),
        ("instructor:hkunlp/instructor-large", {"model": "hkunlp/instructor-large", "join": "pair"}),
        ("http:m@http://localhost:1/v1", {"model": "m", "join": "prefix"}),
        ("http:m@http://localhost:1/v1+field", {"model": "m", "join": "field"}),
    ],
)
def test_baselines_by_their_words(word, options):
    assert baseline(word).facts.options == options
    assert baseline(word).facts.role == "baseline"


@pytest.mark.parametrize("word", ["bert", "st:", "http:m", "st:x+behind"])
def test_an_unknown_baseline_lists_what_there_is(word):
    with pytest.raises(InputError, match=r"must be (one of minilm, minilm-prefix|joined as one of alone, prefix)"):
        baseline(word)


@pytest.fixture(scope="module")
def sentence_transformer(tmp_path_factory):
    """A folder that sentence-transformers loads, with mean pooling."""
    pytest.importorskip("sentence_transformers")
    from sentence_transformers import SentenceTransformer
    from tiny_models import tiny

    folder = tmp_path_factory.mktemp("st")
    for part in tiny("bert"):
        part.save_pretrained(folder)
    return str(folder), SentenceTransformer(str(folder), device="cpu")


@pytest.mark.parametrize(
    ("joined", "text"),
    [
        ("alone", "cold soup"),
        ("prefix", "what is it cold soup"),
        ("suffix", "cold soup what is it"),
        ("colon", "what is it: cold soup"),
        ("prompt", "what is it cold soup"),
    ],
)
def test_a_general_model_sees_the_question_where_it_is_told(sentence_transformer, joined, text):
    folder, model = sentence_transformer
    encoder = baseline(f"st:{folder}+{joined}").make()
    vectors = encoder.encode(["cold soup", "a dog"], instruction="what is it")
    assert vectors[0] == pytest.approx(model.encode([text], normalize_embeddings=True)[0], abs=1e-5)
    other = encoder.encode(["a dog", "cold soup"], instruction="who runs")
    assert (vectors[0] == other[1]).all() == (joined == "alone")  # to the last bit


def test_a_model_that_is_not_there_is_one_sentence(sentence_transformer):
    with pytest.raises(InputError, match="must be a folder or a hub id"):
        baseline("st:./nowhere/at/all").make()


def test_answers_can_be_encoded_again(sentence_transformer):
    folder, model = sentence_transformer
    embedder = Embedder(FakeBackbone({"What?": {"soup": "cold food"}}))
    found = models(["x"], lambda name: embedder, aggregations=["reencode"], reencoder=folder)[0].make()
    wanted = model.encode(["cold food"], normalize_embeddings=True)
    assert found.encode(["a soup"], instruction="What?") == pytest.approx(wanted, abs=1e-5)


def test_random_encoder_depends_on_text_and_question_alone():
    encoder = RandomEncoder(8)
    assert isinstance(encoder, Encoder)
    both = encoder.encode(["a", "b"], instruction="q")
    assert (both[1] == encoder.encode(["b"], instruction="q")[0]).all()
    assert (both[0] != encoder.encode(["a"], instruction="r")[0]).any()
    assert encoder.encode([], instruction="q").shape == (0, 8)


# --- an endpoint -------------------------------------------------------------------------------------------------


class FakeEndpoint:
    """An OpenAI-compatible embeddings endpoint on a local port: the vector is (length of the input, its position)."""

    def __init__(self, answers=()):
        self.requests = []
        outer, planned = self, list(answers)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append((self.path, self.headers.get("Authorization"), body))
                status, answer = planned.pop(0) if planned else (200, outer.answer(body))
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *words):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def answer(body):
        data = [{"index": i, "embedding": [len(text), i]} for i, text in enumerate(body["input"])]
        return {"object": "list", "data": data[::-1]}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_an_endpoint_is_an_encoder():
    with FakeEndpoint() as endpoint:
        encoder = EndpointEncoder(endpoint.url, "m", "suffix", key="secret", batch_size=2)
        vectors = encoder.encode(["a", "bb", "ccc"], instruction="What?")
    assert vectors.tolist() == [[7, 0], [8, 1], [9, 0]]
    path, key, body = endpoint.requests[0]
    assert (path, key) == ("/v1/embeddings", "Bearer secret")
    assert body == {"model": "m", "input": ["a What?", "bb What?"]}


def test_an_endpoint_that_takes_an_instruction_gets_it():
    with FakeEndpoint() as endpoint:
        EndpointEncoder(endpoint.url, "m", "field").encode(["a"], instruction="What?")
    assert endpoint.requests[0][2] == {"model": "m", "input": ["a"], "instruction": "What?"}


def test_an_endpoint_is_asked_again_when_it_is_busy_and_not_when_it_refuses():
    with FakeEndpoint([(503, {}), (429, {})]) as endpoint:
        assert len(EndpointEncoder(endpoint.url, "m", pause=0).encode(["a"], instruction="What?")) == 1
    assert len(endpoint.requests) == 3
    refused = pytest.raises(InputError, match=r"must answer\. Got: 401.*no key")
    with FakeEndpoint([(401, {"error": "no key"})]) as endpoint, refused:
        EndpointEncoder(endpoint.url, "m", pause=0).encode(["a"], instruction="What?")
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"data": []}, "one vector per text. Got 0 for 1"),
        ([], "one vector per text. Got none"),
        ({"data": [{"index": 0}]}, "as OpenAI's embeddings do"),
        ({"data": [{"index": 0, "embedding": "AACAPwAAAEA="}]}, None),  # base64 of 1.0 and 2.0
    ],
)
def test_an_endpoint_that_answers_with_something_else(answer, message):
    with FakeEndpoint([(200, answer)]) as endpoint:
        encoder = EndpointEncoder(endpoint.url, "m", pause=0)
        if message is None:
            assert encoder.encode(["a"], instruction="What?").tolist() == [[1, 2]]
        else:
            with pytest.raises(InputError, match=message):
                encoder.encode(["a"], instruction="What?")


def test_an_endpoint_that_is_not_there_is_one_sentence():
    with pytest.raises(InputError, match=r"must answer\. Got"):
        EndpointEncoder("http://127.0.0.1:9", "m", pause=0).encode(["a"], instruction="What?")
    with pytest.raises(InputError, match="must start with http"):
        EndpointEncoder("localhost", "m")


# --- the command -------------------------------------------------------------------------------------------------


def test_the_command_prints_and_writes_one_table(lists, tmp_path, capsys):
    tasks, data = lists
    loaded = []

    def load(name):
        loaded.append(name)
        return Oracle(tasks, data)

    words = ["evaluate", "--suite", "written", "--data", str(data.folder), "--seeds", "1", "--output", str(tmp_path)]
    words += ["--model", "bundled", "--model", "runs/mine", "--baseline", "random", "--quiet"]
    assert run(words, load=load) == 0
    assert loaded == [None, "runs/mine"]
    shown = capsys.readouterr().out
    assert [cell.strip() for cell in shown.splitlines()[0].split("|")[2:-1]] == ["bundled", "runs/mine", "random"]
    found = read_evaluation(tmp_path)
    assert found.facts["data"] == str(data.folder)
    assert found.protocol["seeds"] == 1
    assert [one.role for one in found.encoders] == ["model", "model", "baseline"]


def test_loading_options_reach_the_model(lists):
    given = {}

    def load(name, **options):
        given.update(options)
        return Oracle(*lists)

    words = ["evaluate", "--data", str(lists[1].folder), "--seeds", "1", "--task", "notes.mood", "--quiet"]
    options = ["convention=published", "masks=3", "local_files_only=true"]
    assert run([*words, *(word for one in options for word in ("--load", one))], load=load) == 0
    assert given == {"convention": "published", "masks": 3, "local_files_only": True}
    assert run([*words, "--load", "masks"], load=load) == 2


def test_without_a_model_or_baseline_the_bundled_model_is_scored_on_the_written_suite(lists, capsys):
    def load(name):
        assert name is None
        return Oracle(*lists)

    words = ["evaluate", "--data", str(lists[1].folder), "--seeds", "1", "--task", "notes.*"]
    assert run(words, load=load) == 0
    streams = capsys.readouterr()
    assert "bundled: 3 tasks in" in streams.err
    assert "notes.place" in streams.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "nowhere"], "--data must be a folder"),
        (["--data", str(WRITTEN), "--baseline", "bert"], "--baseline must be one of minilm"),
        (["--data", str(WRITTEN), "--suite", "glue"], "--suite must be one of awareness"),
        (["--data", str(WRITTEN), "--protocol", "loose"], "--protocol must be one of robust, published"),
        (["--data", str(WRITTEN), "--protocol", "published", "--seeds", "3"], "is a single run. Got --seeds 3"),
        (["--data", str(WRITTEN), "--suite", "inbedder-local"], "fewrel.jsonl must exist"),
        (["--data", str(WRITTEN), "--baseline", "random", "--baseline", "random"], "each only once"),
        ([], "needs a --data folder with criteria.json"),
    ],
)
def test_a_wrong_option_leaves_with_2(words, message, capsys):
    assert run(["evaluate", *words]) == 2
    assert message in capsys.readouterr().err


def test_ctrl_c_says_what_is_kept(lists, tmp_path, capsys):
    words = ["evaluate", "--data", str(lists[1].folder), "--output", str(tmp_path), "--quiet"]
    assert run(words, load=lambda name: Stopping(3)) == 130
    assert "the same command goes on" in capsys.readouterr().err
