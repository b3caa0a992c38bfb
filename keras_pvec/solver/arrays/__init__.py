"""Arrays of NumPy, TensorFlow, JAX and PyTorch: one module per library.

The library is chosen by the type of the array, whatever the Keras backend. A framework
is imported only where one of its arrays was given, or by the exact method, which runs
on the Keras backend.
"""

from keras_pvec.solver.arrays.base import ArrayLibrary, RowProducts, TopFactors
from keras_pvec.solver.arrays.choice import keras_library, library_of, to_numpy

__all__ = [
    "ArrayLibrary",
    "RowProducts",
    "TopFactors",
    "keras_library",
    "library_of",
    "to_numpy",
]
