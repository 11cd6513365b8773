"""The norm of every parameter's gradient over a training."""
import math

import numpy as np

from tinyrnn.utils.plots import draw_curves

__all__ = ["GradientNorms"]


class GradientNorms:
    """A record of |dL/dw| of every parameter w of a model, one number an update::

        norms = GradientNorms(model)
        ...
        loss.backward()
        norms.record()                                  # before clipping, or after: as you want to see it
        norms.draw("gradients.png")

    ``norms`` is {parameter's name: list of numbers}; a parameter without a gradient counts as nan. It has a
    ``state_dict``, so that a resumed training goes on with its record.
    """

    def __init__(self, model):
        self.parameters = dict(model.named_parameters())
        self.norms = {name: [] for name in self.parameters}

    def record(self):
        """Notes the norms of the gradients as they are now."""
        for name, parameter in self.parameters.items():
            grad = None if parameter.grad is None else parameter.grad.numpy(force=True).ravel().astype(np.float64)
            self.norms[name].append(math.nan if grad is None else float(np.linalg.norm(grad)))

    def draw(self, path):
        """Saves a picture of the norms over the updates, on a logarithmic scale."""
        curves = {name: (range(1, len(norms) + 1), norms) for name, norms in self.norms.items()}
        draw_curves(path, curves, "update", "norm of the gradient", log_y=True)

    def state_dict(self):
        return {name: np.array(norms) for name, norms in self.norms.items()}

    def load_state_dict(self, state_dict):
        if state_dict.keys() != self.norms.keys():
            raise ValueError(f"GradientNorms: the record is of other parameters: {sorted(state_dict)}")
        self.norms = {name: norms.tolist() for name, norms in state_dict.items()}
