"""Every layer and every loss, one line each, checked in the same ways beside PyTorch; and none may be missing."""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from nn_helpers import array_of, assert_same, assert_same_gradients, leaf, transfer

import tinyrnn
from tinyrnn import nn
from tinyrnn.autograd import gradcheck, gradgradcheck
from tinyrnn.autograd.tensor import Tensor

# What has no twin in PyTorch, is no layer, or only holds others. All of it has tests of its own.
OTHERS = set("""
    AdditiveAttention Buffer Decoder Encoder Ensemble Hypothesis Memory Mixture MixtureDensity Module ModuleDict
    ModuleList Parameter ParameterDict ParameterList RNNBase RNNCellBase Seq2Seq beam_search functional greedy_search
    init length_mask utils
""".split())


class Line(NamedTuple):
    """``make(nn)`` builds it in either framework; ``inputs`` are arrays, ``call`` is how they are given to it."""

    name: str
    make: Callable
    inputs: tuple
    call: Callable = lambda layer, *inputs: layer(*inputs)  # noqa: E731


def normal(*shape):
    return np.random.default_rng(1).standard_normal(shape)


def unit(*shape):
    return np.random.default_rng(2).uniform(0.1, 0.9, shape)


def activation(name, *args, **options):
    return Line(name, lambda nn: getattr(nn, name)(*args, **options), (normal(3, 5),))


def loss(name, *inputs, **options):
    return Line(name, lambda nn: getattr(nn, name)(**options), inputs)


def recurrent(name, *inputs, **options):
    return Line(name, lambda nn: getattr(nn, name)(3, 2, **options), inputs)


CLASSES = np.array([1, 0, 3, -100])
LOG_CHANCES = np.log(np.full((4, 5), 0.2))

LINES = [
    Line("Linear", lambda nn: nn.Linear(5, 3), (normal(2, 4, 5),)),
    Line("Linear", lambda nn: nn.Linear(5, 3, bias=False), (normal(5),)),
    Line("Bilinear", lambda nn: nn.Bilinear(3, 4, 2), (normal(5, 3), normal(5, 4))),
    Line("Embedding", lambda nn: nn.Embedding(6, 3), (np.array([[1, 5], [1, 0]]),)),
    Line("LayerNorm", lambda nn: nn.LayerNorm((2, 5)), (normal(3, 2, 5),)),
    Line("LayerNorm", lambda nn: nn.LayerNorm(5, eps=0.1, elementwise_affine=False), (normal(3, 5),)),
    Line("Dropout", lambda nn: nn.Dropout(0.3).eval(), (normal(3, 5),)),
    Line("Identity", lambda nn: nn.Identity(1, a=2), (normal(3, 5),)),
    Line("Sequential", lambda nn: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2)), (normal(3, 5),)),
    *(activation(name) for name in ("Tanh", "Sigmoid", "ReLU", "ReLU6", "SiLU", "LogSigmoid", "Softsign", "Softplus",
                                    "GELU", "LeakyReLU", "ELU", "Hardtanh")),
    activation("Softplus", beta=2.0, threshold=1.5),
    activation("GELU", approximate="tanh"),
    activation("LeakyReLU", 0.3),
    activation("ELU", 0.7),
    activation("Hardtanh", -0.5, 2.0),
    activation("Softmax", -1),
    activation("LogSoftmax", 0),
    loss("CrossEntropyLoss", normal(4, 5), CLASSES),
    loss("CrossEntropyLoss", normal(4, 5), CLASSES, label_smoothing=0.1, reduction="sum"),
    loss("CrossEntropyLoss", normal(4, 5), unit(4, 5)),
    loss("NLLLoss", normal(4, 5), CLASSES),
    loss("BCELoss", unit(4, 5), unit(4, 5)[::-1].copy()),
    loss("BCEWithLogitsLoss", normal(4, 5), unit(4, 5), reduction="none"),
    loss("MSELoss", normal(4, 5), unit(4, 5)),
    loss("L1Loss", normal(4, 5), unit(4, 5), reduction="sum"),
    loss("SmoothL1Loss", normal(4, 5), unit(4, 5), beta=0.5),
    loss("HuberLoss", normal(4, 5), unit(4, 5), delta=0.5),
    loss("KLDivLoss", LOG_CHANCES, unit(4, 5), reduction="batchmean"),
    loss("KLDivLoss", LOG_CHANCES, normal(4, 5), log_target=True, reduction="sum"),
    Line("GaussianNLLLoss", lambda nn: nn.GaussianNLLLoss(full=True), (normal(4, 5), unit(4, 5), 0.5 + unit(4, 5))),
    recurrent("RNN", normal(4, 2, 3)),
    recurrent("RNN", normal(4, 2, 3), normal(2, 2, 2), num_layers=2, nonlinearity="relu"),
    recurrent("GRU", normal(4, 3), bidirectional=True),
    recurrent("GRU", normal(2, 4, 3), normal(4, 2, 2), num_layers=2, bidirectional=True, batch_first=True),
    recurrent("LSTM", normal(4, 2, 3), bias=False),
    Line("LSTM", lambda nn: nn.LSTM(3, 3, proj_size=2), (normal(4, 2, 3), normal(1, 2, 2), normal(1, 2, 3)),
         lambda layer, x, h, c: layer(x, (h, c))),
    recurrent("RNNCell", normal(4, 3)),
    recurrent("RNNCell", normal(4, 3), normal(4, 2), nonlinearity="relu"),
    recurrent("GRUCell", normal(4, 3), normal(4, 2)),
    Line("LSTMCell", lambda nn: nn.LSTMCell(3, 2), (normal(4, 3), normal(4, 2), unit(4, 2)),
         lambda layer, x, h, c: layer(x, (h, c))),
]
each_line = pytest.mark.parametrize("line", [pytest.param(x, id=f"{x.name}-{i}") for i, x in enumerate(LINES)])


def flat(y):
    """The tensors in a result: the layers with a state return nested tuples."""
    return [t for part in y for t in flat(part)] if isinstance(y, tuple) else [y]


def pair(line, dtype):
    theirs = line.make(torch.nn).to(getattr(torch, dtype))
    ours = line.make(nn).to(getattr(tinyrnn, dtype))
    return transfer(ours, theirs), theirs


def inputs(line, dtype):
    arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in line.inputs]
    ours, theirs = zip(*map(leaf, arrays), strict=True)
    return list(ours), list(theirs)


@each_line
def test_text_and_names(line):
    ours, theirs = line.make(nn), line.make(torch.nn)
    assert repr(ours) == repr(theirs)
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == \
        {k: tuple(v.shape) for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(theirs.state_dict())


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN:UserWarning")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@each_line
def test_values_and_gradients(line, dtype):
    ours, theirs = pair(line, dtype)
    xs, ts = inputs(line, dtype)
    ys, us = flat(line.call(ours, *xs)), flat(line.call(theirs, *ts))
    for k, (y, u) in enumerate(zip(ys, us, strict=True)):
        assert_same(y, u, f"output {k}")
    sum((y * y.cos()).sum() for y in ys).backward()
    sum((u * u.cos()).sum() for u in us).backward()
    assert_same_gradients([x for x in xs if x.requires_grad], [t for t in ts if t.requires_grad], "input")
    assert_same_gradients(list(ours.parameters()), list(theirs.parameters()), "parameter")


@each_line
def test_gradients_against_differences(line):
    """Differences change an array in place, so that the parameters may be inputs which the call need not mention."""
    ours, _ = pair(line, "float64")
    xs, _ = inputs(line, "float64")
    parameters = list(ours.parameters())

    def call(*given):
        return tuple(flat(line.call(ours, *given[:len(xs)])))
    assert gradcheck(call, (*xs, *parameters))
    if sum(array_of(x).size for x in (*xs, *parameters) if isinstance(x, Tensor)) < 60:
        assert gradgradcheck(call, (*xs, *parameters))


def test_every_layer_has_a_line():
    here = {x.name for x in LINES}
    assert set(nn.__all__) - here - OTHERS == set()
    assert OTHERS - set(nn.__all__) == set()
    assert OTHERS & here == set()
