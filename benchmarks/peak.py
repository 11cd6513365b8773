"""The machine's fused-multiply-add peak, measured: what every GF/s in the tables is held against."""
import ctypes
import os
import shlex
import subprocess
import sysconfig
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

FLAGS = ["-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC"]
ROUNDS = 2_000_000


@cache
def library():
    """peak.c, compiled for this machine by the compiler that compiles Python's extensions."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "peak.so")
        subprocess.run([*compiler, *FLAGS, str(Path(__file__).with_name("peak.c")), "-o", str(target)], check=True)
        loaded = ctypes.CDLL(str(target))
    loaded.run.argtypes = [ctypes.c_long, ctypes.c_float, ctypes.c_float]
    loaded.run.restype = ctypes.c_float
    return loaded


def measure(threads, repeats=7):
    """GF/s of float32 on `threads` threads at once (ctypes lets go of the interpreter's lock): the best of several."""
    loaded = library()

    def seconds(_):
        begin = time.perf_counter()
        loaded.run(ROUNDS, 0.5, 1.0)
        return time.perf_counter() - begin

    work = ROUNDS * loaded.operations_per_round()
    with ThreadPoolExecutor(threads) as pool:
        return max(sum(work / t for t in pool.map(seconds, range(threads))) for _ in range(repeats)) / 1e9


if __name__ == "__main__":
    print(f"one thread {measure(1):.0f} GF/s, two threads {measure(2):.0f} GF/s")
