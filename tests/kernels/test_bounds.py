"""No kernel reads or writes past an array, whatever its sizes: see exercise.py and guards.py."""
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXERCISE = Path(__file__).with_name("exercise.py")
FAMILIES = ["operations", "reductions", "places", "matmul", "optimisers", "layers", "attention", "cells", "rnn", "gru",
            "lstm"]
COMPILER = shlex.split(os.environ.get("CC", "cc"))[0]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or shutil.which(COMPILER) is None, reason="needs mmap and a compiler"),
]


def run(*command):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-X", "faulthandler", *command]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("side", ["end", "start"])
@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_past_an_array_is_touched(family, side):
    done = run(str(EXERCISE), family, side)
    assert done.returncode == 0, done.stderr


PAST = """
import ctypes, sys
sys.path.insert(0, sys.argv[1])
import guards, numpy
guards.guard(sys.argv[2])
x = numpy.arange(70, dtype=numpy.float32)
y = numpy.resize(x, 5000)                           # a large block, and one that was given back
print(y.sum(), x[0], x[-1], flush=True)
ctypes.cast(x.ctypes.data, ctypes.POINTER(ctypes.c_float))[int(sys.argv[3])]
"""


@pytest.mark.parametrize(("side", "place"), [("end", 70), ("start", -1)])
def test_the_guards_see_one_element_too_many(side, place):
    done = run("-c", PAST, str(EXERCISE.parent), side, str(place))
    assert done.returncode == -11, done.stderr
    assert done.stdout.split() == ["171900.0", "0.0", "69.0"]
