import numpy as np
import pytest

from answerspace.projection import PILE, align, project


def groups(n, dimension=16, seed=0):
    random = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    return (np.eye(3, dimension)[truth] + 0.05 * random.normal(size=(n, dimension))).astype(np.float32), truth


def separation(positions, truth):
    """Share of points whose nearest group centre on the map is their own."""
    centres = np.array([positions[truth == k].mean(0) for k in range(3)])
    return (np.linalg.norm(positions[:, None] - centres, axis=-1).argmin(1) == truth).mean()


@pytest.mark.parametrize("n", [9, 90])
def test_groups_stay_together(n):
    vectors, truth = groups(n)
    positions = project(vectors)
    assert positions.shape == (n, 2)
    assert positions.dtype == np.float32
    assert separation(positions, truth) == 1
    np.testing.assert_allclose(positions.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose((positions**2).sum(1).mean(), 1, rtol=1e-3)


def test_points_beyond_the_landmarks_join_their_group():
    vectors, truth = groups(400)
    assert separation(project(vectors, landmarks=100), truth) > 0.99


def test_the_same_seed_gives_the_same_map():
    vectors, _ = groups(60)
    np.testing.assert_array_equal(project(vectors, seed=1), project(vectors, seed=1))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 12, 13])
def test_any_number_of_texts_has_a_map(n):
    positions = project(np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32))
    assert positions.shape == (n, 2)
    assert np.isfinite(positions).all()


@pytest.mark.parametrize("vectors", [np.ones((20, 4), np.float32), np.zeros((20, 4), np.float32)])
def test_identical_vectors_lie_in_one_pile_without_covering_each_other(vectors):
    positions = project(vectors)
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1)[np.triu_indices(20, 1)]
    assert distances.min() > 0.5 * PILE
    assert distances.max() < 20 * PILE


def test_alignment_undoes_a_turn_and_a_mirror():
    reference = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    turn = np.array([[0.6, 0.8], [0.8, -0.6]], np.float32)
    np.testing.assert_allclose(align(reference @ turn, reference), reference, atol=1e-5)
    assert align(reference[:0], reference[:0]).shape == (0, 2)
