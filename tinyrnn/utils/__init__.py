"""Tools around training: data, a run on disk, pictures."""
from tinyrnn.utils import arguments, data, extras, plots, training

__all__ = ["arguments", "data", "extras", "plots", "training"]
