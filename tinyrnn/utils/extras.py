"""Packages that training scripts use and tinyrnn itself does not need."""
import importlib

__all__ = ["optional"]


def optional(module):
    """The module, or an ImportError that says how to install what is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"this needs {module}: pip install {module.split('.')[0]}") from error
