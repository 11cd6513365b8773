"""ONNX Runtime: the layer as a graph of one GRU or LSTM node, with PyTorch's weights in ONNX's gate order."""
import os

import numpy as np
import sizes
from onnx import TensorProto, helper, numpy_helper

ORDER = {"GRU": [1, 0, 2], "LSTM": [0, 3, 1, 2]}    # r z n -> z r n,  i f g o -> i o f g


def reorder(cell, rows):
    """PyTorch's gates -> ONNX's, with the axis of directions in front."""
    gates = np.split(rows, sizes.GATES[cell])
    return np.concatenate([gates[k] for k in ORDER[cell]])[None]


def model(cell, size, T):
    """X (T, B, I), initial_h (1, B, H) -> Y (T, 1, B, H), Y_h (1, B, H)"""
    w = sizes.weights(cell, size)
    biases = [reorder(cell, w[f"bias_{kind}_l0"]) for kind in ("ih", "hh")]
    arrays = {"W": reorder(cell, w["weight_ih_l0"]), "R": reorder(cell, w["weight_hh_l0"]),
              "B": np.concatenate(biases, -1)}
    after = {"linear_before_reset": 1} if cell == "GRU" else {}
    node = helper.make_node(cell, ["X", "W", "R", "B", "", "initial_h"], ["Y", "Y_h"], hidden_size=size.H, **after)

    def info(name, *shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    state = (1, size.B, size.H)
    graph = helper.make_graph([node], cell, [info("X", T, size.B, size.I), info("initial_h", *state)],
                              [info("Y", T, 1, size.B, size.H), info("Y_h", *state)],
                              [numpy_helper.from_array(array, name) for name, array in arrays.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def session(onnxruntime, made):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(made.SerializeToString(), options, ["CPUExecutionProvider"])


def inference(onnxruntime, cell, size):
    run = session(onnxruntime, model(cell, size, size.T)).run
    feed = {"X": sizes.sequences(size)[0], "initial_h": np.zeros((1, size.B, size.H), np.float32)}
    return lambda: run(["Y"], feed)[0], lambda output: {"output": output[:, 0]}


def streaming(onnxruntime, cell, size):
    """One step of a sequence that never ends; the state goes round."""
    run = session(onnxruntime, model(cell, size, 1)).run
    x = sizes.sequences(size)[0][:1]
    state = np.zeros((1, size.B, size.H), np.float32)

    def step():
        nonlocal state
        state, = run(["Y_h"], {"X": x, "initial_h": state})
        return state
    return step, lambda output: {"output": output[0]}
