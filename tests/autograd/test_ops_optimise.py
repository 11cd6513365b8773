"""The door to the optimisers' loops refuses what would not fit, before any memory is touched."""
import numpy as np
import pytest

import tinyrnn.autograd.methods  # noqa: F401  (activates the methods of Tensor)
from tinyrnn.autograd import ops_optimise
from tinyrnn.autograd.arrays import DtypeError, ShapeError
from tinyrnn.autograd.creation import from_numpy

OPTIONS = {"lr": 0.1, "eps": 1e-8, "weight_decay": 0.0, "maximize": False}
ADAM = {**OPTIONS, "beta1": 0.9, "beta2": 0.99, "decoupled_weight_decay": False}


def floats(*shape, dtype=np.float32):
    return from_numpy(np.ones(shape, dtype))


def test_shapes_must_agree():
    with pytest.raises(ShapeError, match=r"Adam: a parameter of shape \(3,\) with a gradient or state of \(4,\)"):
        ops_optimise.adam(floats(3), floats(3), floats(3), floats(4), None, floats(), **ADAM)
    with pytest.raises(ShapeError, match="Adadelta"):
        ops_optimise.adadelta(floats(3), floats(1, 3), floats(3), floats(3), floats(), rho=0.9, **OPTIONS)


def test_dtypes_must_agree():
    with pytest.raises(DtypeError, match="Adagrad: a float32 parameter with a gradient or state of float64"):
        ops_optimise.adagrad(floats(3), floats(3), floats(3, dtype=np.float64), floats(), lr_decay=0, **OPTIONS)
    integers = floats(3, dtype=np.int64)
    with pytest.raises(DtypeError, match="only float32 and float64"):
        ops_optimise.adagrad(integers, integers, integers, floats(), lr_decay=0, **OPTIONS)


@pytest.mark.parametrize("step", [floats(2), floats(dtype=np.int64), floats(0)])
def test_the_step_is_one_number(step):
    with pytest.raises(ValueError, match="step must be one"):
        ops_optimise.adam(floats(3), floats(3), floats(3), floats(3), None, step, **ADAM)


def test_read_only_memory_is_left_alone():
    memory = np.ones(3, np.float32)
    memory.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        ops_optimise.adam(from_numpy(memory), floats(3), floats(3), floats(3), None, floats(), **ADAM)
    assert (memory == 1).all()


def test_state_has_memory_of_its_own():
    x = floats(3)
    with pytest.raises(ValueError, match="share memory"):
        ops_optimise.adam(x, floats(3), x.detach(), floats(3), None, floats(), **ADAM)


def test_a_failed_check_counts_no_step():
    step = floats()
    with pytest.raises(ShapeError):
        ops_optimise.adam(floats(3), floats(2), floats(3), floats(3), None, step, **ADAM)
    assert step.array == 1
    ops_optimise.adam(floats(3), floats(3), floats(3), floats(3), None, step, **ADAM)
    assert step.array == 2


def test_none_is_not_a_tensor():
    with pytest.raises(TypeError):
        ops_optimise.adam(None, floats(3), floats(3), floats(3), None, floats(), **ADAM)
