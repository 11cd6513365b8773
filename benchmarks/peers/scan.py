"""JAX: a scan over time, its input projections one product before the scan, compiled together with its gradient."""
import sizes


def cells(jax):
    """name -> (projected input (B, G*H), state, weight, bias of the state) -> new state; a state's first part is h."""
    np, sigmoid = jax.numpy, jax.nn.sigmoid

    def rnn(xp, state, weight, bias):
        return (np.tanh(xp + state[0] @ weight.T + bias),)

    def gru(xp, state, weight, bias):
        xr, xz, xn = np.split(xp, 3, -1)
        hr, hz, hn = np.split(state[0] @ weight.T + bias, 3, -1)
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        n = np.tanh(xn + r * hn)
        return ((1 - z) * n + z * state[0],)

    def lstm(xp, state, weight, bias):
        i, f, g, o = np.split(xp + state[0] @ weight.T + bias, 4, -1)
        c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    return {"RNN": rnn, "GRU": gru, "LSTM": lstm}


def layer(jax, cell, size):
    """-> a function of weights and x (T, B, I) that returns the outputs (T, B, H)."""
    advance, parts = cells(jax)[cell], 2 if cell == "LSTM" else 1
    zeros = jax.numpy.zeros((size.B, size.H), "float32")

    def run(weights, x):
        def body(state, xp):
            state = advance(xp, state, weights["weight_hh_l0"], weights["bias_hh_l0"])
            return state, state[0]
        projected = x @ weights["weight_ih_l0"].T + weights["bias_ih_l0"]
        return jax.lax.scan(body, (zeros,) * parts, projected)[1]
    return run


def training(jax, cell, size):
    run = layer(jax, cell, size)
    weights = {name: jax.numpy.asarray(w) for name, w in sizes.weights(cell, size).items()}
    x, dy = map(jax.numpy.asarray, sizes.sequences(size))

    def loss(weights, x):
        output = run(weights, x)
        return (output * dy).sum(), output
    compiled = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))

    def read(results):
        (_, output), (grads, dx) = jax.device_get(results)
        return {"output": output, "d input": dx, **{f"d {name}": grad for name, grad in grads.items()}}
    return lambda: jax.block_until_ready(compiled(weights, x)), read
