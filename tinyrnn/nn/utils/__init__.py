"""Gradient clipping, noise on the weights, states carried over, and parameters as one vector."""
from tinyrnn.nn.utils.carry import CarriedState, detach_state
from tinyrnn.nn.utils.clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from tinyrnn.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from tinyrnn.nn.utils.weight_noise import weight_noise

__all__ = ["CarriedState", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "detach_state",
           "get_total_norm", "parameters_to_vector", "vector_to_parameters", "weight_noise"]
