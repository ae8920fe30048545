import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from answerspace.clustering import Clustering
from answerspace.explanation import answer_words, entropy, explain, label_counts, typical_rows
from answerspace.similarity import unit_rows

ANSWERS = ["hotel room", "hotel staff", "food soup", "food a", "hotel"]
LABELS = np.array([0, 0, 1, 1, 0])


def test_words_are_those_of_the_published_formula():
    documents = ["hotel room hotel staff hotel", "food soup food a"]
    vectorizer = TfidfVectorizer()
    scores = vectorizer.fit_transform(documents).toarray()
    scores -= scores.mean(0)
    names = vectorizer.get_feature_names_out()
    expected = [[names[i] for i in np.argsort(-row, kind="stable") if row[i] > 0] for row in scores]
    assert answer_words(ANSWERS, LABELS) == expected
    assert answer_words(ANSWERS, LABELS) == [["hotel", "room", "staff"], ["food", "soup"]]


def test_words_at_or_below_the_mean_are_left_out():
    assert answer_words(["good soup", "good room"], np.array([0, 1])) == [["soup"], ["room"]]


def test_one_cluster_keeps_its_words_and_no_words_give_none():
    assert answer_words(["soup soup", "room"], np.array([0, 0])) == [["soup", "room"]]
    assert answer_words(["", "a !"], np.array([0, 1])) == [[], []]
    assert answer_words(["soup"], np.array([-1])) == []


def test_at_most_twenty_words():
    assert len(answer_words([" ".join(f"word{i}" for i in range(30)), "x"], np.array([0, 1]))[0]) == 20


def test_typical_rows_are_nearest_first_and_name_no_text_twice():
    space = unit_rows(np.array([[1, 0.5], [1, 0], [1, 0], [1, 0.1], [0, 1]], np.float32))
    rows = typical_rows(["a", "b", "b", "c", "d"], space, np.array([1, 1, 1, 1, 0], bool), np.array([1, 0], np.float32))
    assert rows == [1, 3, 0]


@pytest.mark.parametrize(
    ("counts", "bits"),
    [
        ({}, 0),
        ({"a": 5}, 0),
        ({"a": 1, "b": 1}, 1),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, 2),
        ({"qualities": 327, "workload": 10, "assessment": 15, "difficulty": 31}, 0.81),  # the paper's Table 3
        ({"qualities": 136, "workload": 171, "assessment": 171, "difficulty": 338}, 1.90),
    ],
)
def test_entropy_in_bits(counts, bits):
    assert entropy(counts) == pytest.approx(bits, abs=0.005)


def test_label_counts_leave_out_missing_labels():
    assert label_counts(["b", "a", "", "a"], np.array([1, 1, 1, 0], bool)) == {"a": 1, "b": 1}


def vectors_and_clustering(labels):
    states = np.eye(2, dtype=np.float32)[np.maximum(labels, 0)] * 3
    return states, Clustering(labels, np.eye(2, dtype=np.float32), "by hand")


def test_clusters_come_by_size_then_noise_and_the_decoder_sees_means():
    labels = np.array([0, 0, 1, 0, -1])
    states, clustering = vectors_and_clustering(labels)
    seen = []

    def decode(centres, corpus_mean):
        seen.append((centres.tolist(), corpus_mean.tolist()))
        return [["hotel"], ["food"]]

    clusters = explain(clustering, list("abcde"), ANSWERS, unit_rows(states), states=states, decode=decode)
    assert [(c.label, c.size, c.head_words) for c in clusters] == [(0, 3, ["hotel"]), (1, 1, ["food"]), (-1, 1, [])]
    assert seen == [([[3, 0], [0, 3]], [pytest.approx(12 / 5), pytest.approx(3 / 5)])]
    assert clusters[0].entropy is None
    assert clusters[2].typical == [4]


def test_with_gold_labels_the_purest_cluster_comes_first():
    states, clustering = vectors_and_clustering(LABELS)
    clusters = explain(clustering, list("abcde"), ANSWERS, states, gold=["x", "y", "z", "z", ""])
    assert [(c.label, c.label_counts, c.entropy) for c in clusters] == [
        (1, {"z": 2}, 0.0),
        (0, {"x": 1, "y": 1}, 1.0),
    ]
