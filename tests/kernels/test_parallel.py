"""The number of threads: what may be asked, what is given, and what happens after a fork."""

import os
import subprocess
import sys

import numpy as np
import pytest

import tinyrnn
from tinyrnn.kernels import parallel

BIG = 10**9
needs_openmp = pytest.mark.skipif(not parallel.has_openmp(), reason="built without OpenMP")


@pytest.fixture(autouse=True)
def keep_threads():
    before = tinyrnn.get_num_threads()
    yield
    tinyrnn.set_num_threads(before)


def run(code, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=clean | environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("wrong", [1.0, "2", None, True, False, np.float32(1), np.bool_(True), [1]])
def test_not_an_integer(wrong):
    with pytest.raises(TypeError, match="set_num_threads: expected an integer, got"):
        tinyrnn.set_num_threads(wrong)


@pytest.mark.parametrize("wrong", [0, -1, 1025, 2**31, 2**70, np.int64(0)])
def test_out_of_range(wrong):
    with pytest.raises(ValueError, match=f"expected a number from 1 to 1024, got {wrong}$"):
        tinyrnn.set_num_threads(wrong)


@needs_openmp
def test_set_and_get():
    for n in (1, 2, 3, np.int64(4), 1024):
        tinyrnn.set_num_threads(n)
        assert tinyrnn.get_num_threads() == n
        assert type(tinyrnn.get_num_threads()) is int


@needs_openmp
def test_work_decides_up_to_the_limit():
    tinyrnn.set_num_threads(3)
    assert [parallel.team_size(work) for work in (-1, 0, 1, 65_535, 65_536, 98_304, BIG)] == [1, 1, 1, 1, 2, 3, 3]
    tinyrnn.set_num_threads(1)
    assert parallel.team_size(BIG) == 1


@pytest.mark.skipif(parallel.has_openmp(), reason="built with OpenMP")
def test_without_openmp_everything_is_serial():
    tinyrnn.set_num_threads(4)
    assert tinyrnn.get_num_threads() == 1
    assert parallel.team_size(BIG) == 1


@needs_openmp
def test_default_is_the_environment_or_else_the_usable_processors():
    count = "import tinyrnn; print(tinyrnn.get_num_threads())"
    assert run(count, OMP_NUM_THREADS="3") == ["3"]
    if hasattr(os, "sched_getaffinity"):
        assert run(count) == [str(len(os.sched_getaffinity(0)))]
        assert run("import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n" + count) == ["1"]


FORK = """
import multiprocessing, tinyrnn
from tinyrnn.kernels import parallel

def child(results):
    before = tinyrnn.get_num_threads()
    tinyrnn.set_num_threads(2)
    results.put((before, tinyrnn.get_num_threads(), parallel.team_size(10**9)))

tinyrnn.set_num_threads(2)
print(parallel.team_size(10**9))
context = multiprocessing.get_context("fork")
results = context.Queue()
process = context.Process(target=child, args=(results,), daemon=True)
process.start()
print(*results.get(timeout=20))
process.join(20)
print(process.exitcode, parallel.team_size(10**9))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_is_serial_and_does_not_hang():
    team = "2" if parallel.has_openmp() else "1"
    assert run(FORK) == [team, "1", "1", "1", "0", team]
