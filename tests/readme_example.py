"""Runs the callback example of README.md on a small network, outside of the clone.

python tests/readme_example.py README.md
"""

import os
import re
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
from keras import layers


def run_example(readme: str, n_epochs: int = 2) -> dict:
    """Runs the first block of Python of a text; returns its variables."""
    code = re.findall(r"```python\n(.*?)```", readme, re.S)[0]
    rng = np.random.default_rng(0)
    inputs = keras.Input((8, 8, 1))
    block = layers.Conv2D(4, 3, name="block_1")(inputs)
    features = layers.GlobalAveragePooling2D(name="avg_pool")(block)
    model = keras.Model(inputs, layers.Dense(2)(features))
    model.compile("sgd", "mse")
    names = {
        "model": model,
        "x": rng.random((40, 8, 8, 1)),
        "y": rng.random((40, 2)),
        "x_test": rng.random((30, 8, 8, 1)),
        "y_test": np.arange(30) % 3,
    }
    exec(code.replace("epochs=10", f"epochs={n_epochs}"), names)
    return names


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        print(run_example(text)["run"].log)
