"""Operations that depend on the Keras backend and are not in `keras.ops`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, TypeAlias

import keras

# The module with the adapter of each Keras backend.
_ADAPTERS = {
    "tensorflow": "keras_pvec.features.tensorflow",
    "jax": "keras_pvec.features.jax",
    "torch": "keras_pvec.features.torch",
}

# Values that stand for those of variables within a forward pass.
VariableValues: TypeAlias = Iterable[tuple[keras.Variable, Any]]


class Forward(Protocol):
    """A forward pass, from inputs of a model to features by layer."""

    def __call__(self, inputs: Any, values: VariableValues = ()) -> dict[str, Any]: ...


class PreparedForward(NamedTuple):
    """A forward pass that leaves the state of the model unchanged, including state that
    Keras does not track.

    Attributes:
        run: The pass.
        restores_state: Whether it sets state back that Keras does not track, so that
            each call begins with the same one.
    """

    run: Callable[[Any], dict[str, Any]]
    restores_state: bool


class Adapter(Protocol):
    """What feature extraction requires of a backend.

    Attributes:
        COMPILES: Whether `compile_forward` compiles; if not, layers have values while
            the forward pass is recorded.
    """

    COMPILES: bool

    def is_tensor(self, value: Any) -> bool:
        """Whether `value` is a dense tensor of the backend."""
        ...

    def is_reachable(self, tensor: Any) -> bool:
        """Whether a captured tensor belongs to the forward pass that is being traced,
        and not to a graph within it (a loop, a compiled function)."""
        ...

    def snapshot(self, value: Any) -> Any:
        """Tensors, or a structure of them, that later operations cannot change."""
        ...

    def unwrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The Python function that a compiled function was made of, if it would trace
        its own graph, in which tensors cannot be reached."""
        ...

    def compile_forward(
        self, model: keras.Model, forward: Forward, inputs: Any
    ) -> PreparedForward:
        """Compiles a forward pass for inputs of the shapes and dtypes of `inputs`."""
        ...

    def eager_forward(self, model: keras.Model, forward: Forward) -> PreparedForward:
        """Prepares a forward pass that is not compiled."""
        ...


def adapter() -> Adapter:
    """The adapter of the Keras backend in use.

    Raises:
        RuntimeError: The backend has no adapter.
    """
    backend = keras.backend.backend()
    if backend not in _ADAPTERS:
        raise RuntimeError(
            "P-vectors of Keras models need one of the backends "
            f"{', '.join(_ADAPTERS)}. Received: {backend!r}. Set KERAS_BACKEND before "
            "keras is imported."
        )
    module: Any = importlib.import_module(_ADAPTERS[backend])
    return module
