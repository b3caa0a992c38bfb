"""The command line: `keras-pvec doctor`, `compare`, `export`, `plot` and `reproduce`.

Each command is a module with a function `add` that describes its arguments. The command
line is above both storeys of the package: `reproduce` runs a program of the
reproduction.
"""

from keras_pvec.cli.main import main

__all__ = ["main"]
