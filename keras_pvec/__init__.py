"""keras_pvec: the common structure that deep networks learn, and when.

Public names are loaded on first use, so that reading and comparing stored runs does
not import Keras and its backend.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from keras_pvec.callback import PVectorLogger as PVectorLogger
    from keras_pvec.comparison import (
        Comparison as Comparison,
        DetailedComparison as DetailedComparison,
        NullTest as NullTest,
        Rung as Rung,
        SampleMismatchError as SampleMismatchError,
        angle as angle,
        compare as compare,
        compare_in_detail as compare_in_detail,
        linear_cka as linear_cka,
        minibatch_cka as minibatch_cka,
        null_ladder as null_ladder,
        principal_angles as principal_angles,
    )
    from keras_pvec.features import LayerChoiceError as LayerChoiceError
    from keras_pvec.measurement import model_p_vectors as model_p_vectors
    from keras_pvec.plots import (
        plot_angles as plot_angles,
        plot_matrix as plot_matrix,
        plot_spectrum as plot_spectrum,
    )
    from keras_pvec.pvector import (
        AmbiguousPVectorWarning as AmbiguousPVectorWarning,
        PVector as PVector,
        data_p_vector as data_p_vector,
        p_vector as p_vector,
    )
    from keras_pvec.runs import (
        DamagedRunError as DamagedRunError,
        Run as Run,
        RunConflictError as RunConflictError,
        RunError as RunError,
        RunNotFoundError as RunNotFoundError,
        load_p_vectors as load_p_vectors,
        open_run as open_run,
        save_p_vectors as save_p_vectors,
    )
    from keras_pvec.samples import SampleSet as SampleSet

_ROOMS = {
    "callback": ["PVectorLogger"],
    "comparison": [
        "Comparison",
        "DetailedComparison",
        "SampleMismatchError",
        "angle",
        "compare",
        "compare_in_detail",
        "NullTest",
        "Rung",
        "linear_cka",
        "minibatch_cka",
        "null_ladder",
        "principal_angles",
    ],
    "features": ["LayerChoiceError"],
    "measurement": ["model_p_vectors"],
    "plots": ["plot_angles", "plot_matrix", "plot_spectrum"],
    "pvector": ["AmbiguousPVectorWarning", "PVector", "data_p_vector", "p_vector"],
    "samples": ["SampleSet"],
    "runs": [
        "DamagedRunError",
        "Run",
        "RunConflictError",
        "RunError",
        "RunNotFoundError",
        "load_p_vectors",
        "open_run",
        "save_p_vectors",
    ],
}
# Of the Keras backends; each is an extra of its own name.
_FRAMEWORKS = ("tensorflow", "jax", "torch")
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = ["__version__", *sorted(_ROOM_OF)]


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        room = importlib.import_module(f"{__name__}.{_ROOM_OF[name]}")
    except ModuleNotFoundError as error:
        if error.name not in _FRAMEWORKS:
            raise
        raise ModuleNotFoundError(
            f"keras_pvec.{name} needs the backend of Keras, and {error.name!r} is not "
            f"installed. Install it, pip install 'keras-pvec[{error.name}]', or "
            "another of [tensorflow], [jax] and [torch], and name it in the variable "
            "KERAS_BACKEND.",
            name=error.name,
        ) from error
    value = getattr(room, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
