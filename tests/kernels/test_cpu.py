"""The processor guard: what it asks for, what it finds, and the ImportError when they differ."""

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tinyrnn.kernels import cpu

X86_LINUX = platform.machine() == "x86_64" and sys.platform == "linux"


def test_this_machine_runs_this_build():
    assert cpu.required() <= cpu.available()
    assert cpu.check(cpu.required(), cpu.available()) is None


def test_missing_sets_are_named_with_a_remedy():
    with pytest.raises(ImportError, match=r"AVX512F, FMA, which this one lacks.*TINYRNN_ISA") as error:
        cpu.check({"AVX2", "FMA", "AVX512F"}, {"AVX2", "SSE3"})
    assert "AVX2" not in str(error.value).replace("AVX512F", "")


def test_more_than_needed_is_fine():
    assert cpu.check({"AVX2"}, {"AVX2", "AVX512F"}) is None
    assert cpu.check([], []) is None


@pytest.mark.skipif(not X86_LINUX, reason="compares with /proc/cpuinfo")
def test_available_agrees_with_the_kernel():
    flags = set(re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)[1].split())
    assert ("AVX" in cpu.available()) == ("avx" in flags)
    names = {"SSE3": "pni", "LZCNT": "abm", "BMI": "bmi1", "AVX512VNNI": "avx512_vnni", "AVX512BF16": "avx512_bf16"}
    for name in ("SSE3", "SSSE3", "SSE4_1", "SSE4_2", "MOVBE", "POPCNT", "LZCNT", "BMI", "BMI2", "F16C", "FMA", "AVX2",
                 "AVX512F", "AVX512BW", "AVX512CD", "AVX512DQ", "AVX512VL", "AVX512VNNI", "AVX512BF16"):
        assert (name in cpu.available()) == (names.get(name, name.lower()) in flags), name


# Loads the guard alone, lets it find a processor without anything, and imports the package over it.
FOREIGN = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("tinyrnn.kernels.cpu", sys.argv[1])
cpu = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cpu)
cpu.available = frozenset
cpu.required = lambda: frozenset(["AVX512F"])
sys.modules["tinyrnn.kernels.cpu"] = cpu
try:
    import tinyrnn
except ImportError as error:
    print(error)
compiled = [name for name, module in sys.modules.items() if name.startswith("tinyrnn") and name != "tinyrnn.kernels.cpu"
            and not (getattr(module, "__file__", None) or ".py").endswith(".py")]
print("compiled modules loaded:", compiled)
"""


def test_foreign_processor_gets_an_import_error_before_any_other_module():
    done = subprocess.run([sys.executable, "-c", FOREIGN, cpu.__file__], capture_output=True, text=True, check=True)
    message, loaded = done.stdout.splitlines()
    assert "compiled for a processor with AVX512F, which this one lacks" in message
    assert loaded == "compiled modules loaded: []"
