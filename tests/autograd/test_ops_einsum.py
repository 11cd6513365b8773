import numpy as np
import pytest
import torch

from tests.autograd.helpers_reduce import check, leaf, normal
from tinyrnn.autograd.arrays import DtypeError, ShapeError
from tinyrnn.autograd.ops_einsum import einsum

EQUATIONS = [
    ("ij->ji", (2, 3)), ("ij", (2, 3)), ("ba", (2, 3)), ("ij->", (2, 3)), ("ij->j", (2, 3)), ("ii", (3, 3)),
    ("ii->i", (3, 3)), ("iij->j", (3, 3, 2)), ("ijij->ij", (2, 3, 2, 3)), ("iii->i", (3, 3, 3)),
    ("i,i", (3,), (3,)), ("i,i->i", (3,), (3,)), ("i,j->ij", (3,), (4,)), ("i,j->ji", (3,), (4,)),
    ("ij,jk", (2, 3), (3, 4)), ("ij,jk->ki", (2, 3), (3, 4)), ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)),
    ("bij,bij->b", (5, 2, 3), (5, 2, 3)), ("bij,kj->bik", (5, 2, 3), (4, 3)),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("ij,kl->", (2, 3), (4, 5)), ("ij,j->", (2, 3), (3,)), ("...i,i->...", (2, 4, 3), (3,)),
    ("...ij,...jk", (5, 2, 3), (3, 4)),
    ("...ij,...jk->...ik", (6, 1, 2, 3), (5, 3, 4)), ("i...->...", (3, 2, 4)), ("...->...", (2, 3)),
    ("i...->i", (3, 2)),
    ("ij,ij->ij", (1, 3), (2, 3)), ("ij,jk->ik", (2, 1), (3, 4)), ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ("i,i,i->i", (3,), (3,), (3,)), ("bi,oij,bj->bo", (5, 3), (4, 3, 2), (5, 2)), ("ii,i->i", (3, 3), (3,)),
    ("ij,jk->ik", (2, 0), (0, 4)), ("i,->i", (3,), ()), (" i j , j k -> i k ", (2, 3), (3, 4)),
    ("aB,Bc", (2, 3), (3, 4)),
    ("ij,ijk->k", (2, 3), (2, 3, 4)), ("ijk,jil->kl", (2, 3, 4), (3, 2, 5)),
]


@pytest.mark.parametrize("case", EQUATIONS, ids=str)
def test_matches_torch(case):
    equation, *shapes = case
    check(lambda *x: einsum(equation, *x), lambda *x: torch.einsum(equation, *x),
          *[normal(*s, seed=i) for i, s in enumerate(shapes)])


def test_lists_instead_of_a_string():
    def product(library, output):
        return lambda a, b: library(a, [0, 1], b, [1, 2], *output)

    a, b = normal(2, 3), normal(3, 4)
    for output in ([], [[0, 2]], [[2, 0]], [[0]]):
        check(product(einsum, output), product(torch.einsum, output), a, b)
    check(lambda a: einsum(a, [..., 51]), lambda a: torch.einsum(a, [..., 51]), a)
    check(lambda a, b: einsum("ij,jk", [a, b]), lambda a, b: torch.einsum("ij,jk", [a, b]), a, b)


def test_integers():
    a = np.arange(6).reshape(2, 3)
    assert einsum("ij,kj->ik", leaf(a), leaf(a)).array.tolist() == (a @ a.T).tolist()


@pytest.mark.parametrize("equation, shapes, message", [
    ("ij,jk->ik", [(2, 3), (4, 5)], r'"ij,jk->ik": lengths 3 and 4 for one label in \(2, 3\) and \(4, 5\)'),
    ("ij,jk", [(2, 3)], "names 2 operands, but there are 1"),
    ("ijk", [(2, 3)], '"ijk" does not fit an operand of 2 dimensions'),
    ("i", [(2, 3)], '"i" does not fit an operand of 2 dimensions'),
    ("ij->k", [(2, 3)], "the output must name labels of the operands, each once"),
    ("ij->ii", [(2, 3)], "the output must name labels of the operands, each once"),
    ("ii", [(2, 3)], "label"), ("i1", [(2, 3)], "labels are letters"), ("...i...", [(2, 3)], "labels are letters"),
])
def test_errors(equation, shapes, message):
    with pytest.raises(ShapeError, match=message):
        einsum(equation, *[leaf(normal(*s)) for s in shapes])


def test_other_errors():
    x = normal(2, 2)
    with pytest.raises(DtypeError, match="einsum: float64 and float32 do not mix"):
        einsum("ij,jk", leaf(x), leaf(x.astype(np.float32)))
    with pytest.raises(TypeError, match="expected tensors, not ndarray"):
        einsum("ij", x)
    with pytest.raises(ValueError, match="labels are numbers from 0 to 51, not 52"):
        einsum(leaf(x), [0, 52])
