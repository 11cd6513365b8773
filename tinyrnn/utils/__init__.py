"""Tools around training: data."""
from tinyrnn.utils import data

__all__ = ["data"]
