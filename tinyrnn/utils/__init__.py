"""Tools around training: data, a run on disk, pictures."""
from tinyrnn.utils import data, extras, plots, training

__all__ = ["data", "extras", "plots", "training"]
