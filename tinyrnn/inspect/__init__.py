"""Looking into a training: gradients through time, saturated gates, gradient norms, and where a NaN comes from."""
from tinyrnn.inspect.finite import find_nan
from tinyrnn.inspect.gradients import GradientNorms
from tinyrnn.inspect.recurrent import draw_saturation, draw_state_gradients, saturation, state_gradients

__all__ = ["GradientNorms", "draw_saturation", "draw_state_gradients", "find_nan", "saturation", "state_gradients"]
