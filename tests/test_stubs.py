"""Every compiled module with a Python face has a stub, and the stub says what the module does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STUBS = sorted((ROOT / "tinyrnn").rglob("*.pyi"))

# Names that Cython adds to what it compiles.
CYTHON_NAMES = r"""
.*\.__pyx_\w+__
.*\.__test__
.*\.__reduce_cython__
.*\.__setstate_cython__
"""

# A function that is also a method calls the tensor "input", as PyTorch does; nobody passes it by that name to a method.
RECEIVER = re.compile(r'stub parameter "self" differs from runtime parameter "(input|tensor)"$')


def test_every_compiled_module_with_a_python_face_has_a_stub():
    face = re.compile(r"^(?:def|cpdef|class|cdef class) +[^_\s]", re.MULTILINE)
    faces = [path for path in (ROOT / "tinyrnn").rglob("*.pyx") if face.search(path.read_text())]
    assert faces
    assert not [path.relative_to(ROOT).as_posix() for path in faces if not path.with_suffix(".pyi").exists()]


def test_stubs_agree_with_the_modules(tmp_path):
    pytest.importorskip("mypy.stubtest", reason="mypy is not installed")
    allow = tmp_path / "names.txt"
    allow.write_text(CYTHON_NAMES)
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in STUBS]
    options = ["--concise", "--ignore-disjoint-bases", "--allowlist", str(allow), "--ignore-unused-allowlist"]
    command = [sys.executable, "-m", "mypy.stubtest", *options, *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    complaints = [line for line in lines if not RECEIVER.search(line)]
    assert done.returncode == 0 or lines and not complaints and not done.stderr, "\n".join([*complaints, done.stderr])


def test_a_script_is_checked(tmp_path):
    """A type checker knows what a script gets from functions, methods and operators, and finds what does not exist."""
    pytest.importorskip("mypy", reason="mypy is not installed")
    script = tmp_path / "script.py"
    script.write_text(
        "import tinyrnn\n"
        "x = tinyrnn.tensor([1.0])\n"
        "reveal_type((2 * x + 1).sum())\n"
        "reveal_type(tinyrnn.cat([x, x]).max(0).indices)\n"
        "reveal_type(x.size(0))\n"
        "x.softplus()\n"
        "x.reshape('a')\n"
    )
    done = subprocess.run([sys.executable, "-m", "mypy", "--no-error-summary", str(script)], cwd=ROOT,
                          capture_output=True, text=True)
    said = [line.split(": ", 2)[2] for line in done.stdout.splitlines()]
    assert said == [
        'Revealed type is "tinyrnn.autograd.tensor.Tensor"', 'Revealed type is "tinyrnn.autograd.tensor.Tensor"',
        'Revealed type is "int"', '"Tensor" has no attribute "softplus"  [attr-defined]',
        'Argument 1 to "reshape" of "Tensor" has incompatible type "str"; expected "int | Sequence[int]"  [arg-type]',
    ]
