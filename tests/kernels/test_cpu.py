"""The processor guard: what it asks for, what it finds, and the ImportError when they differ."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tinyrnn import kernels
from tinyrnn.kernels import cpu

X86_LINUX = platform.machine() == "x86_64" and sys.platform == "linux"


LEVELS = {"low": frozenset(["SSE3"]), "middle": frozenset(["SSE3", "AVX2"]), "high": frozenset(["SSE3", "AVX2", "FMA"])}


def test_this_machine_runs_this_build():
    assert kernels.level in cpu.levels()
    assert cpu.levels()[kernels.level] <= cpu.available()
    assert cpu.choose(cpu.levels(), cpu.available(), cpu.wanted()) == kernels.level


@pytest.mark.parametrize(("present", "level"), [("SSE3", "low"), ("SSE3 AVX2", "middle"), ("SSE3 FMA", "low"),
                                                ("SSE3 AVX2 FMA XOP", "high")])
def test_the_best_level_is_chosen(present, level):
    assert cpu.choose(LEVELS, frozenset(present.split())) == level


def test_missing_sets_are_named_with_a_remedy():
    with pytest.raises(ImportError, match=r"AVX512F, FMA, which this one lacks.*TINYRNN_ISA") as error:
        cpu.choose({"one": frozenset(["AVX2", "FMA", "AVX512F"])}, frozenset(["AVX2", "SSE3"]))
    assert "AVX2" not in str(error.value).replace("AVX512F", "")


def test_a_level_can_be_forced_where_it_runs():
    present = frozenset(["SSE3", "AVX2"])
    assert cpu.choose(LEVELS, present, "low") == "low"
    with pytest.raises(ImportError, match="TINYRNN_ISA=high is for a processor with FMA, which this one lacks"):
        cpu.choose(LEVELS, present, "high")
    with pytest.raises(ImportError, match="TINYRNN_ISA=top: this tinyrnn was compiled for low, middle, high$"):
        cpu.choose(LEVELS, present, "top")


@pytest.mark.parametrize("name", ["pdp11", "\udcff", "x" * 10_000])
def test_an_unknown_level_in_the_environment_is_an_import_error(name):
    done = subprocess.run([sys.executable, "-c", "import tinyrnn"], capture_output=True, text=True,
                          env=os.environ | {"TINYRNN_ISA": name, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 1
    assert "ImportError: TINYRNN_ISA=" in done.stderr


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
cpu.levels = lambda: {"native": frozenset(["AVX512F"])}
cpu.wanted = lambda: None
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
