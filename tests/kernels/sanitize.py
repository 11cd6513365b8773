"""The suite under AddressSanitizer and UndefinedBehaviorSanitizer, for a build made with them: see ``make sanitize``.

    python tests/kernels/sanitize.py build/sanitize/lib

First every kernel at every size (exercise.py), then the tests. The interpreter itself is not built with the sanitizers,
so their library is loaded before it; Python's own allocator is set aside, or it would hide what NumPy and tinyrnn do.
Leaks are not looked for: the interpreter leaves what it made at its start.
"""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from test_bounds import EXERCISE, FAMILIES

ROOT = Path(__file__).parents[2]
# The sanitizers lose their way in a forked process, and keep what was freed for a while instead of using it again.
LEFT_OUT = "not fork and not spawn and not stays_flat and not used_again"
SUITE = ["autograd", "nn", "optim", "kernels/test_parallel.py", "utils", "io", "test_hostile.py", "test_concurrency.py"]


def library(name):
    """Where the compiler keeps it."""
    return subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip()


def main(built):
    # PyTorch throws C++ exceptions; AddressSanitizer can only pass them on where it finds libstdc++ at the start.
    preload = f"{library('libasan.so')} {library('libstdc++.so.6')}"
    environment = os.environ | {
        "LD_PRELOAD": preload, "PYTHONMALLOC": "malloc", "OMP_NUM_THREADS": "2",
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    with tempfile.TemporaryDirectory() as folder:       # no source beside them: the tests import what was built
        shutil.copytree(ROOT / "tests", Path(folder, "tests"), ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        environment["PYTHONPATH"] = os.pathsep.join([str(Path(built).resolve()), str(Path(folder, "tests"))])
        exercise = Path(folder, "tests", "kernels", EXERCISE.name)
        commands = [[str(exercise), family] for family in FAMILIES]
        suite = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--capture=sys", "-m", "not slow"]
        commands.append([*suite, "-k", LEFT_OUT, *(f"tests/{part}" for part in SUITE)])
        for command in commands:
            print("---", *command[-1:] if command[0] == str(exercise) else ["the suite"], flush=True)
            subprocess.run([sys.executable, *command], cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
