"""What the tests of several examples need: the example as a module, and a Ctrl-C in the middle of its training."""
import importlib.util
import os
import signal
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def load_example():
    """load_example("music") is a new module made of examples/music.py."""
    def load(name):
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    return load


@pytest.fixture
def interrupt(monkeypatch):
    """interrupt(module, "update", 3): Ctrl-C is pressed during the third call of module.update from now on."""
    def arrange(module, name, number):
        function, calls = getattr(module, name), []

        def counted(*arguments):
            calls.append(None)
            if len(calls) == number:
                os.kill(os.getpid(), signal.SIGINT)
            return function(*arguments)
        monkeypatch.setattr(module, name, counted)
    return arrange
