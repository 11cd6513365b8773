import numpy as np
import pytest
import torch.nn.functional as theirs
from nn_helpers import assert_same, compare, leaf

from tinyrnn.nn import functional as ours

RNG = np.random.default_rng(0)


def test_everything_promised_is_there_and_in_torch():
    for name in ours.__all__:
        assert callable(getattr(ours, name)) and (name == "mixture_nll_loss" or callable(getattr(theirs, name))), name


@pytest.mark.parametrize("options", [{}, {"p": 1.0}, {"p": 3.0, "dim": 0}, {"p": np.inf}, {"dim": -1, "eps": 1.0}])
def test_normalize(options):
    smooth = options.get("p") != np.inf
    compare(ours.normalize, theirs.normalize, RNG.standard_normal((4, 5)), second=smooth, **options)


def test_normalize_zero():
    compare(ours.normalize, theirs.normalize, np.array([[0.0, 0.0], [1e-20, 1.0]]))


@pytest.mark.parametrize(("a", "b", "dim"), [((4, 5), (4, 5), 1), ((5,), (5,), 0), ((3, 1, 5), (4, 5), -1),
                                             ((2, 3), (2, 3), 0)])
def test_cosine_similarity(a, b, dim):
    compare(ours.cosine_similarity, theirs.cosine_similarity, RNG.standard_normal(a), RNG.standard_normal(b), dim=dim)


def test_cosine_similarity_of_zero():
    compare(ours.cosine_similarity, theirs.cosine_similarity, np.array([[0.0, 0.0], [3.0, 4.0]]), np.ones((2, 2)))


def test_one_hot_and_pad():
    index = leaf(np.array([[0, 2], [1, 0]]))
    for count in (-1, 5):
        assert_same(ours.one_hot(index[0], count), theirs.one_hot(index[1], count))
    compare(lambda x: ours.pad(x, (1, 2, 0, 1), value=3.0), lambda x: theirs.pad(x, (1, 2, 0, 1), value=3.0),
            RNG.standard_normal((2, 3)))
