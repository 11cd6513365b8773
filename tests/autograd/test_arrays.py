"""What the arrays beneath the tensors cost."""
import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
import tinyrnn
x = tinyrnn.ones(1600, 256)
for _ in range(3):
    y = (x + x, x * x, x - x)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    y = (x + x, x * x, x - x)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have their own ways")
def test_freed_memory_is_used_again():
    """60 results of 400 pages each: if they were new to the process, there would be 24,000 page faults."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000
