import numpy as np
import pytest

from answerspace import clustering
from answerspace.clustering import (
    agreement_scores,
    by_size,
    choose_clusters,
    cluster_vectors,
    clustering_space,
)
from answerspace.errors import InputError
from answerspace.similarity import unit_rows


def blobs(counts, dimension=16, spread=0.05, seed=0):
    """len(counts) groups around orthogonal axes, far apart next to their spread."""
    random = np.random.default_rng(seed)
    centres = np.eye(len(counts), dimension)
    truth = np.repeat(np.arange(len(counts)), counts)
    return (centres[truth] + spread * random.normal(size=(len(truth), dimension))).astype(np.float32), truth


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_clear_groups_are_found_and_numbered_by_size(method):
    vectors, truth = blobs([10, 40, 20])
    found = cluster_vectors(vectors, 3 if method == "kmeans" else "auto", method=method)
    assert found.labels.tolist() == np.array([2, 0, 1])[truth].tolist()
    assert found.centres.shape == (3, 16)
    np.testing.assert_allclose(np.linalg.norm(found.centres, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("groups", [2, 4, 7])
def test_auto_finds_the_number_and_says_how(groups):
    vectors, _ = blobs([30] * groups)
    found = cluster_vectors(vectors)
    assert len(found.centres) == groups
    assert f"K-means with {groups} clusters (chosen from 2 to 20 by mean silhouette" in found.method


def test_auto_looks_at_a_bounded_sample():
    vectors, _ = blobs([100, 50], dimension=4)
    count, why = choose_clusters(vectors, 150, most=60)
    assert count == 2
    assert "on 60 of 150 texts" in why


def test_the_same_seed_gives_the_same_clusters():
    vectors = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    first, again = (cluster_vectors(vectors, 5, seed=3) for _ in range(2))
    assert first.labels.tolist() == again.labels.tolist()


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_tiny_and_identical_input(n, method):
    same = np.ones((n, 4), np.float32)
    assert len(cluster_vectors(same, method=method).labels) == n
    assert len(cluster_vectors(np.eye(n, 4, dtype=np.float32), method=method).labels) == n


def test_fewer_distinct_vectors_than_clusters_says_so():
    found = cluster_vectors(np.repeat(np.eye(2, 4, dtype=np.float32), 5, axis=0), 3)
    assert len(found.centres) == 2
    assert "no more distinct vectors" in found.method
    assert len(cluster_vectors(np.ones((5, 4), np.float32), 3).centres) == 1


def test_hdbscan_leaves_noise_out():
    vectors, _ = blobs([30, 30])
    vectors = np.vstack([vectors, np.full((1, 16), 9, np.float32)])
    found = cluster_vectors(vectors, method="hdbscan")
    assert found.labels[-1] == -1
    assert found.centres.shape == (2, 16)
    assert "1 of 61 texts as noise" in found.method


def test_any_scikit_learn_clusterer_will_do():
    class Halves:
        def fit_predict(self, vectors):
            return (np.arange(len(vectors)) >= len(vectors) / 4).astype(int)

    assert cluster_vectors(np.ones((8, 2), np.float32), method=Halves()).labels.tolist() == [1, 1, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("clusters", "method", "message"),
    [
        (1, "kmeans", "at least 2"),
        (5, "kmeans", "at least as many texts as clusters. Got 4 texts for 5"),
        (3, "hdbscan", "leave it out"),
        ("many", "kmeans", "at least 2, or auto"),
        ("auto", "ward", "one of kmeans, hdbscan"),
    ],
)
def test_senseless_wishes(clusters, method, message):
    with pytest.raises(InputError, match=message):
        cluster_vectors(np.eye(4, dtype=np.float32), clusters, method=method)


def test_numbers_go_by_size_then_by_first_sight():
    assert by_size(np.array([7, 7, -1, 3, 3, 3, 5, 5])).tolist() == [1, 1, -1, 0, 0, 0, 2, 2]


def test_centring_takes_out_the_common_part():
    common, own = np.zeros(8), np.eye(8)[:2]
    common[7] = 10
    vectors = np.array([common + own[0], common + own[1]] * 5, np.float32)
    raw, centred = clustering_space(vectors, centre=False), clustering_space(vectors)
    assert raw[0] @ raw[1] > 0.98
    np.testing.assert_allclose(centred[0] @ centred[1], -1, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(centred, axis=1), 1, rtol=1e-5)


def test_centring_leaves_identical_rows_alone():
    vectors = np.full((3, 4), 0.1, np.float32)
    np.testing.assert_allclose(clustering_space(vectors), unit_rows(vectors))
    assert clustering_space(np.zeros((0, 4), np.float32)).shape == (0, 4)


def test_scores_leave_out_rows_without_a_gold_label():
    labels = np.array([0, 0, 1, 1, 0])
    assert agreement_scores(labels, ["a", "a", "b", "b", ""]) == {"v_measure": 1.0, "ari": 1.0}
    assert agreement_scores(labels, ["a", "", "", "", ""]) == {}
    assert agreement_scores(labels, ["a", "b", "a", "b", ""])["v_measure"] == pytest.approx(0)


def test_auto_follows_the_answers_when_it_has_them() -> None:
    """Four tight groups in two pairs: the silhouette likes the pairs, the answers know four groups."""
    rng = np.random.default_rng(0)
    corners = np.array([[1, 0, 0, 0.3], [1, 0, 0.3, 0], [0, 1, 0, 0.3], [0, 1, 0.3, 0]], np.float32)
    vectors = np.repeat(corners, 15, axis=0) + rng.normal(0, 0.08, (60, 4)).astype(np.float32)
    answers = [word for word in ("soup", "bread", "Hotel", "room") for _ in range(15)]
    assert cluster_vectors(vectors).labels.max() + 1 == 2
    found = cluster_vectors(vectors, answers=answers)
    assert found.labels.max() + 1 == 4
    assert "agreement with the answers in words" in found.method


@pytest.mark.parametrize("answers", [["same"] * 30, [str(i) for i in range(30)]])
def test_auto_falls_back_on_the_silhouette_when_answers_say_nothing(answers: list[str]) -> None:
    vectors = np.repeat(np.eye(3, 4, dtype=np.float32), 10, axis=0)
    vectors = vectors + np.random.default_rng(1).normal(0, 0.02, (30, 4)).astype(np.float32)
    found = cluster_vectors(vectors, answers=answers)
    assert "mean silhouette" in found.method
    assert found.labels.max() + 1 == 3


def test_of_numbers_that_are_as_good_auto_takes_the_smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores as on the demo's reviews: 18 groups are 0.01 better than 8, which nobody would see."""
    scores = {8: 0.256, 9: 0.263, 18: 0.266}
    judge = lambda labels: scores.get(len(np.unique(labels)), 0.2)  # noqa: E731
    monkeypatch.setattr(clustering, "_judge", lambda sample, answers: (judge, "a made-up score"))
    count, why = choose_clusters(np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32), 60)
    assert count == 8
    assert "a made-up score, 0.26" in why
