"""Losses beside PyTorch's: values, every gradient, every reduction; shapes and errors."""
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as theirs
from hypothesis import given
from hypothesis import strategies as st
from nn_helpers import assert_same, compare, leaf

from tinyrnn import nn
from tinyrnn.nn import functional as ours

REDUCTIONS = ["mean", "sum", "none"]
RNG = np.random.default_rng(0)


def normal(*shape, dtype=np.float64):
    return np.asarray(RNG.standard_normal(shape), dtype)


def uniform(*shape, low=0.01, high=0.99):
    return np.asarray(RNG.uniform(low, high, shape))


def check(name, *arrays, second=True, **options):
    compare(getattr(ours, name), getattr(theirs, name), *arrays, second=second, **options)


def pair(array):
    """An array that takes no gradient, as an option of both functions."""
    return leaf(np.asarray(array), False)


# ---- classes ---------------------------------------------------------------------------------------------------------

SHAPES = [((5,), ()), ((3, 5), (3,)), ((2, 4, 3), (2, 3)), ((2, 4, 3, 2), (2, 3, 2)), ((1, 1), (1,)),
          ((33, 129), (33,))]


def classes(shape, target_shape, rng=RNG):
    count = shape[0] if len(shape) == 1 else shape[1]
    return rng.integers(0, count, target_shape), rng.uniform(0.1, 2, count)


@pytest.mark.parametrize("smoothing", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "target_shape"), SHAPES)
def test_cross_entropy(shape, target_shape, reduction, weighted, smoothing):
    target, weight = classes(shape, target_shape)
    for ignore in (-100, int(target.flat[0]), 0):
        check_classes("cross_entropy", normal(*shape) * 3, target, weight if weighted else None, reduction=reduction,
                      ignore_index=ignore, label_smoothing=smoothing)


def check_classes(name, x, target, weight, **options):
    a, b = (None, None) if weight is None else pair(weight.astype(x.dtype))
    compare(lambda x, t, **o: getattr(ours, name)(x, t, a, **o), lambda x, t, **o: getattr(theirs, name)(x, t, b, **o),
            x, target, second=True, **options)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "target_shape"), SHAPES)
def test_nll_loss(shape, target_shape, reduction, weighted):
    target, weight = classes(shape, target_shape)
    for ignore in (-100, int(target.flat[0])):
        check_classes("nll_loss", normal(*shape), target, weight if weighted else None, reduction=reduction,
                      ignore_index=ignore)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [shape for shape, _ in SHAPES])
def test_cross_entropy_of_probabilities(shape, reduction, weighted, smoothing):
    target = uniform(*shape)
    a, b = pair(classes(shape, ())[1]) if weighted else (None, None)
    compare(lambda x, t: ours.cross_entropy(x, t, a, reduction=reduction, label_smoothing=smoothing),
            lambda x, t: theirs.cross_entropy(x, t, b, reduction=reduction, label_smoothing=smoothing),
            normal(*shape), target, second=True)


@given(st.integers(0, 9), st.integers(1, 40), st.integers(0, 3), st.sampled_from(REDUCTIONS),
       st.sampled_from([np.float32, np.float64]), st.sampled_from([0.0, 0.1]), st.integers(0, 2**32 - 1))
def test_cross_entropy_of_any_shape(N, C, more, reduction, dtype, smoothing, seed):
    rng = np.random.default_rng(seed)
    shape = (N, C, *rng.integers(0, 4, more))
    target, weight = classes(shape, shape[:1] + shape[2:], rng)
    target[rng.random(target.shape) < 0.3] = -100
    check_classes("cross_entropy", rng.standard_normal(shape).astype(dtype), target, weight, reduction=reduction,
                  label_smoothing=smoothing)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nothing_but_ignored_rows(reduction, smoothing):
    options = {"reduction": reduction, "label_smoothing": smoothing}
    check("cross_entropy", normal(3, 4), np.full(3, -100), second=False, **options)
    check("cross_entropy", normal(0, 4), np.zeros(0, np.int64), second=False, **options)
    if reduction == "mean":
        assert np.isnan(ours.cross_entropy(leaf(normal(3, 4))[0], leaf(np.full(3, -100))[0]).item())


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_extreme_scores(reduction):
    x = np.array([[1e4, -1e4, 0], [-np.inf, 0, 1], [1000, 1001, 1002]], np.float32)
    check("cross_entropy", x, np.array([0, 2, 1]), second=False, reduction=reduction)
    check("cross_entropy", x, np.array([-100, 2, -100]), second=False, reduction=reduction)


ERRORS = [
    (IndexError, "cross_entropy: Target 4 is out of bounds for 4 classes", (3, 4), [0, 4, 1], {}),
    (IndexError, "cross_entropy: Target -1 is out of bounds for 4 classes", (3, 4), [0, -1, 1], {}),
    (ValueError, r"the input \(3, 4\) needs a target of shape \(3,\), not \(2,\)", (3, 4), [0, 1], {}),
    (ValueError, r"the input \(4,\) needs a target of shape \(\), not \(1,\)", (4,), [0], {}),
    (ValueError, "needs a dimension of classes", (), 0, {"ignore_index": 3}),
    (TypeError, "expected classes as int64, not float32", (3, 4), np.zeros(3, np.float32), {}),
    (TypeError, "floating point type", (3, 4), np.zeros((3, 4), np.int64), {}),
    (ValueError, "ignore_index is not supported", (3, 4), np.zeros((3, 4), np.float32), {"ignore_index": 1}),
    (TypeError, "ignore_index must be a whole number, not 1.5", (3, 4), [0, 1, 2], {"ignore_index": 1.5}),
    (TypeError, "ignore_index must be a whole number, not None", (3, 4), [0, 1, 2], {"ignore_index": None}),
    (ValueError, "label_smoothing must be between", (3, 4), [0, 1, 2], {"label_smoothing": 1.5}),
    (ValueError, "middle is not a valid value for reduction", (3, 4), [0, 1, 2], {"reduction": "middle"}),
    (TypeError, "size_average and reduce are gone", (3, 4), [0, 1, 2], {"size_average": True}),
    (TypeError, "size_average and reduce are gone", (3, 4), [0, 1, 2], {"reduce": False}),
]


@pytest.mark.parametrize(("error", "message", "shape", "target", "options"), ERRORS)
def test_cross_entropy_errors(error, message, shape, target, options):
    with pytest.raises(error, match=message):
        ours.cross_entropy(leaf(normal(*shape, dtype=np.float32))[0], leaf(np.asarray(target), False)[0], **options)


def test_wrong_weight():
    for target in (np.array([0, 1]), np.ones((2, 3), np.float32)):
        with pytest.raises(ValueError, match=r"either for all 3 classes or no classes"):
            ours.cross_entropy(leaf(normal(2, 3, dtype=np.float32))[0], leaf(target)[0],
                               leaf(np.ones(2, np.float32), False)[0])


# ---- yes or no -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(), (7,), (3, 5), (0, 2)])
def test_binary_cross_entropy(shape, reduction):
    weight = pair(uniform(*shape))
    for a, b in ((None, None), weight):
        compare(lambda x, t, a=a: ours.binary_cross_entropy(x, t, a, reduction=reduction),
                lambda x, t, b=b: theirs.binary_cross_entropy(x, t, b, reduction=reduction),
                uniform(*shape), uniform(*shape))
        compare(lambda x, t, a=a: ours.binary_cross_entropy_with_logits(x, t, a, reduction=reduction),
                lambda x, t, b=b: theirs.binary_cross_entropy_with_logits(x, t, b, reduction=reduction),
                np.asarray(normal(*shape) * 5), uniform(*shape), second=True)


def test_binary_cross_entropy_again_differentiated():
    x, t = uniform(4, 3, low=0.2, high=0.8), uniform(4, 3)      # near 0 and 1 PyTorch adds 1e-12 to its denominators
    a, b = pair(t)
    compare(lambda x: ours.binary_cross_entropy(x, a), lambda x: theirs.binary_cross_entropy(x, b), x, second=True)


def test_certain_probabilities():
    a, b = pair(np.array([0.0, 1.0, 0.0, 1.0, 0.5]))
    compare(lambda x: ours.binary_cross_entropy(x, a, reduction="none"),
            lambda x: theirs.binary_cross_entropy(x, b, reduction="none"), np.array([0.0, 0.0, 1.0, 1.0, 1.0]))


@pytest.mark.parametrize("shape", [(3,), (4, 3), (1,)])
def test_weight_of_a_yes(shape):
    a, b = pair(uniform(*shape))
    compare(lambda x, t: ours.binary_cross_entropy_with_logits(x, t, pos_weight=a),
            lambda x, t: theirs.binary_cross_entropy_with_logits(x, t, pos_weight=b),
            normal(4, 3), uniform(4, 3), second=True)


def test_binary_errors():
    x = leaf(np.array([0.5, 1.5]))[0]
    with pytest.raises(ValueError, match="elements of input should be between 0 and 1"):
        ours.binary_cross_entropy(x, x)
    with pytest.raises(ValueError, match="elements of target should be between 0 and 1"):
        ours.binary_cross_entropy(x - 0.5, x)
    for name in ("binary_cross_entropy", "binary_cross_entropy_with_logits"):
        with pytest.raises(ValueError, match=r"\(1,\).*\(2,\)"):
            getattr(ours, name)(x, leaf(np.zeros(1))[0])


# ---- numbers ---------------------------------------------------------------------------------------------------------

NUMBERS = [("mse_loss", {}), ("l1_loss", {}), ("smooth_l1_loss", {}), ("smooth_l1_loss", {"beta": 0.3}),
           ("smooth_l1_loss", {"beta": 0.0}), ("huber_loss", {}), ("huber_loss", {"delta": 0.4})]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("name", "options"), NUMBERS)
def test_numbers(name, options, reduction):
    for shape in ((), (5,), (3, 4), (0,)):
        check(name, normal(*shape), normal(*shape), reduction=reduction, **options)
    same = np.array([0.0, 0.4, 1.0, -1.0, -0.3])                # zero and the joints
    check(name, same, np.zeros(5), second=False, reduction=reduction, **options)
    check(name, same.astype(np.float32), normal(5, dtype=np.float32), second=False, reduction=reduction, **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_weighted_numbers(name, reduction):
    check(name, normal(3, 4), normal(3, 4), weight=None, reduction=reduction)
    a, b = pair(uniform(3, 4))
    compare(lambda x, t: getattr(ours, name)(x, t, weight=a, reduction=reduction),
            lambda x, t: getattr(theirs, name)(x, t, weight=b, reduction=reduction), normal(3, 4), normal(3, 4))
    with pytest.raises(ValueError, match="same size"):
        getattr(ours, name)(leaf(normal(2))[0], leaf(normal(2))[0], weight=leaf(normal(3))[0])


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_broadcasting_is_told(name):
    x, y = leaf(normal(3, 1))
    s, t = leaf(normal(3))
    with pytest.warns(UserWarning, match=r"target size \(\(3,\)\) that is different to the input size \(\(3, 1\)\)"):
        a = getattr(ours, name)(x, s)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        b = getattr(theirs, name)(y, t)
    a.backward()
    b.backward()
    assert_same(a, b)
    assert_same(x.grad, y.grad)
    assert_same(s.grad, t.grad)


def test_number_errors():
    x = leaf(normal(2))[0]
    with pytest.raises(ValueError, match="negative values for beta"):
        ours.smooth_l1_loss(x, x, beta=-1)
    with pytest.raises(ValueError, match="non-positive values for delta"):
        ours.huber_loss(x, x, delta=0)
    for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "kl_div", "nll_loss", "binary_cross_entropy"):
        with pytest.raises(TypeError, match=f"{name}: size_average"):
            getattr(ours, name)(x, x, size_average=False)


@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
def test_kl_div(reduction, log_target):
    x, t = np.log(uniform(3, 4)), uniform(3, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check("kl_div", x, np.log(t) if log_target else t, reduction=reduction, log_target=log_target)
    if reduction == "mean":
        with pytest.warns(UserWarning, match="batchmean"):
            ours.kl_div(leaf(x)[0], leaf(t)[0])


def test_kl_div_of_impossible_events():
    a, b = pair(np.array([0.0, 0.5, 0.5]))
    compare(lambda x: ours.kl_div(x, a, reduction="sum"), lambda x: theirs.kl_div(x, b, reduction="sum"),
            np.log([0.2, 0.3, 0.5]))


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gaussian_nll_loss(reduction, full):
    options = {"reduction": reduction, "full": full}
    for shape in ((3, 4), (3, 1), (3,), (1, 4)):
        check("gaussian_nll_loss", normal(3, 4), normal(3, 4), uniform(*shape), **options)
    check("gaussian_nll_loss", normal(3, 4), normal(3, 4), np.full((3, 4), 1e-9), second=False, **options)
    check("gaussian_nll_loss", normal(3, 4), normal(3, 4), 0.5, **options)
    check("gaussian_nll_loss", normal(1, 2), normal(1, 2), np.array([[np.inf, 2.0]]), second=False, **options)


def test_gaussian_nll_errors():
    x = leaf(normal(3, 4))[0]
    with pytest.raises(ValueError, match="negative"):
        ours.gaussian_nll_loss(x, x, leaf(-np.ones((3, 4)))[0])
    with pytest.raises(ValueError, match="incorrect size"):
        ours.gaussian_nll_loss(x, x, leaf(np.ones((4, 3)))[0])


# ---- modules ---------------------------------------------------------------------------------------------------------

MODULES = [
    ("CrossEntropyLoss", {"label_smoothing": 0.1, "ignore_index": 2}, "classes"),
    ("NLLLoss", {"ignore_index": 1}, "classes"), ("BCELoss", {}, "shares"), ("BCEWithLogitsLoss", {}, "shares"),
    ("MSELoss", {}, "shares"), ("L1Loss", {}, "shares"),
    ("SmoothL1Loss", {"beta": 0.2}, "shares"), ("HuberLoss", {"delta": 0.2}, "shares"),
    ("KLDivLoss", {"log_target": True}, "shares"), ("GaussianNLLLoss", {"full": True}, "variance"),
]


@pytest.mark.parametrize("reduction", ["sum", "none"])
@pytest.mark.parametrize(("name", "options", "kind"), MODULES)
def test_modules(name, options, kind, reduction):
    mine, his = (getattr(library, name)(**options, reduction=reduction) for library in (nn, torch.nn))
    assert repr(mine) == repr(his)
    rest = {"classes": [np.array([0, 1, 2])], "shares": [uniform(3, 4)], "variance": [normal(3, 4), uniform(3, 4)]}
    compare(mine, his, uniform(3, 4), *rest[kind])


@pytest.mark.parametrize(("name", "buffer"), [("CrossEntropyLoss", "weight"), ("NLLLoss", "weight"),
                                              ("BCELoss", "weight"), ("BCEWithLogitsLoss", "weight"),
                                              ("BCEWithLogitsLoss", "pos_weight")])
def test_weights_are_buffers(name, buffer):
    a, b = pair(uniform(4))
    mine, his = getattr(nn, name)(**{buffer: a}), getattr(torch.nn, name)(**{buffer: b})
    assert list(mine.state_dict()) == list(his.state_dict()) == [buffer]
    target = np.array([0, 1, 3]) if name in ("CrossEntropyLoss", "NLLLoss") else uniform(3, 4)
    compare(mine, his, uniform(3, 4), target)


def test_old_arguments_of_modules_raise():
    for name in ("CrossEntropyLoss", "MSELoss"):
        with pytest.raises(TypeError, match=f"{name}: size_average"):
            getattr(nn, name)(size_average=True)
        with pytest.raises(ValueError, match="not a valid value"):
            getattr(nn, name)(reduction="average")


@pytest.mark.parametrize(("name", "options"), [("smooth_l1_loss", {"beta": 0.7}), ("huber_loss", {"delta": 0.7})])
def test_gradients_at_infinity(name, options):
    values = np.array([np.inf, -np.inf, np.nan, 0.3, 0.7, -0.7, 1e30], np.float32)
    (x, z), (t, u) = leaf(values), leaf(np.zeros(7, np.float32), False)
    getattr(nn.functional, name)(x, t, **options).backward()
    getattr(torch.nn.functional, name)(z, u, **options).backward()
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy(), rtol=1e-6)
