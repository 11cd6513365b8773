"""The version in its one place, and the report."""

import re

import numpy

import tinyrnn
from tinyrnn import kernels
from tinyrnn.kernels import cpu, parallel


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", tinyrnn.__version__)


def test_show_config(capsys):
    assert tinyrnn.show_config() is None
    lines = dict(re.split(r"  +", line, maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["tinyrnn"] == tinyrnn.__version__
    assert lines["NumPy"] == numpy.__version__
    assert lines["OpenMP"] == ("yes" if parallel.has_openmp() else "no")
    assert lines["threads"] == str(tinyrnn.get_num_threads())
    assert lines["processor level"] == f"{kernels.level}, of {' '.join(cpu.levels())}"
    assert set(lines["instruction sets"].split()) >= cpu.levels()[kernels.level]
    assert len(lines) == 6
