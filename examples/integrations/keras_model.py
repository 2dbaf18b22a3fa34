"""A model of Keras trained with Keras's losses, and with Lossary's through an adapter; on torch or on JAX.

Run: KERAS_BACKEND=torch python examples/integrations/keras_model.py    # or KERAS_BACKEND=jax

It prints the losses of both, which are the same.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

import lossary


class Adapted(keras.losses.Loss):
    """A loss of Lossary, row by row, for a model of Keras: the prediction comes second, labels arrive as floats."""

    def __init__(self, loss: Callable[..., Any], labels: str | None = None, **options: Any) -> None:
        super().__init__(name=loss.__name__)
        self.loss, self.labels, self.options = loss, labels, options

    def call(self, y_true: Any, y_pred: Any) -> Any:
        target = ops.cast(y_true, self.labels) if self.labels else y_true
        return self.loss(y_pred, target, reduction="none", **self.options)


def trained(loss: keras.losses.Loss, x: np.ndarray, y: np.ndarray, outputs: int) -> list[float]:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(outputs)])
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss=loss)
    return model.fit(x, y, batch_size=16, epochs=4, verbose=0, shuffle=False).history["loss"]


def main() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(64, 4)).astype("float32")
    classes, values = x[:, :3].argmax(axis=1), x[:, :1] * 3
    pairs = {
        "cross_entropy": (
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            Adapted(lossary.cross_entropy, labels="int32"),
            classes,
        ),
        "huber_loss": (keras.losses.Huber(delta=0.5), Adapted(lossary.huber_loss, delta=0.5), values),
    }
    print(f"Keras on {keras.backend.backend()}")
    for name, (theirs, ours, target) in pairs.items():
        outputs = 3 if target is classes else 1
        expected, found = (trained(loss, x, target, outputs) for loss in (theirs, ours))
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        print(f"{name:<15}Keras  ", *(f"{value:.4f}" for value in expected))
        print(f"{'':<15}Lossary", *(f"{value:.4f}" for value in found))


if __name__ == "__main__":
    main()
