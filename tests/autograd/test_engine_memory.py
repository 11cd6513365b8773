"""What is freed when: no cycles, flat memory, and chains that are longer than the stack."""
import gc
import subprocess
import sys
import textwrap
import weakref

import numpy as np
import pytest

import tinyrnn.autograd.methods  # noqa: F401
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.grad_mode import no_grad


def leaf(values, dtype=np.float64):
    x = record(np.array(values, dtype), (), None)
    x.requires_grad = True
    return x


def train_step(w, x):
    h = (x * w).tanh()
    h = h * w + h
    (h * h).sum().backward()
    with no_grad():
        w.sub_(w.grad * 0.01)
    w.grad = None
    return h


def test_a_step_leaves_no_cycles():
    w, x = leaf(np.ones((4, 4))), record(np.ones((4, 4)), (), None)
    train_step(w, x)
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            h = weakref.ref(train_step(w, x))
            assert h() is None
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_memory_stays_flat_over_10000_steps():
    resource = pytest.importorskip("resource")
    w, x = leaf(np.ones((16, 16))), record(np.ones((16, 16)), (), None)
    for _ in range(500):
        train_step(w, x)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(10000):
        train_step(w, x)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4096       # KiB


CHAINS = {
    "operations": "for _ in range(n): y = y * 1.0\ny.backward()",
    "saved": "for _ in range(n): y = y * w\ny.backward()",
    "views": "for _ in range(n): y = y.reshape(1)\ny.backward(one)",
    "freed without backward": "for _ in range(n): y = y * w",
    "views freed": "for _ in range(n): y = y.reshape(1)",
    "views renewed": "for _ in range(n): y = y.reshape(1)\nwith_no_grad(h); y.backward(one)",
    "closures": "for _ in range(n): y = record(y.array, (x,), (lambda p: lambda o, dy: dy)(y), ())",
    "grads of grads": "for _ in range(n // 10): y = y * w\ng, = grad(y, x, create_graph=True)\ng.backward()",
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_long_chain_needs_no_stack(name):
    n = 200_000 if name == "views renewed" else 1_000_000 if name in ("operations", "views") else 300_000
    code = textwrap.dedent("""
        import gc
        import threading
        import numpy as np
        import tinyrnn.autograd.methods
        from tinyrnn.autograd.graph import grad
        from tinyrnn.autograd.engine import record
        from tinyrnn.autograd.tensor import swap_mode
        n = %d
        gc.disable()                                # its walks over a million live objects take most of the time
        def leaf():
            x = record(np.ones(1, np.float32), (), None)
            x.requires_grad = True
            return x
        def with_no_grad(h):
            mode = swap_mode(0)
            h.add_(1)
            swap_mode(mode)
        done = []
        def work():
            x, w, one = leaf(), leaf(), record(np.ones(1, np.float32), (), None)
            y = h = x * 1
        %s
            del y, h
            done.append(True)
        threading.stack_size(256 * 1024)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert done
    """) % (n, textwrap.indent(CHAINS[name], "    "))
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-2000:]
