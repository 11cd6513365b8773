"""Files: checkpoints without pickle, written in one step."""
from tinyrnn.io.checkpoint import CheckpointError, load, save

__all__ = ["CheckpointError", "load", "save"]
