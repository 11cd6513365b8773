"""Settings for every test."""

import sys
import threading

import hypothesis
import pytest

# No deadline: a busy machine is not a bug. Derandomised: the same examples every time, so a red run stays red.
hypothesis.settings.register_profile("tinyrnn", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("tinyrnn")


@pytest.fixture
def in_threads():
    """in_threads(work, cases) calls work(*case) in a thread for each case; they change places in the middle of all."""
    def run(work, cases):
        threads = [threading.Thread(target=work, args=case) for case in cases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield run
    sys.setswitchinterval(before)
