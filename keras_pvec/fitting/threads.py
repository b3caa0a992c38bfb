"""The thread that trains, and hooks that are called from other threads."""

from __future__ import annotations

import threading


class TrainingThread:
    """The thread that trains, and the steps whose end another thread reports.

    On JAX and PyTorch, Keras calls `on_train_batch_end` of a callback that is not in a
    list from other threads, where weights may change while they are read. Such steps
    are recorded when the next batch begins, which Keras reports in the thread that
    trains, before the weights change.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._reports_ends = False
        self._due_elsewhere: set[int] = set()
        self._recorded: set[int] = set()

    def begin_epoch(self) -> None:
        """Notes that an epoch begins, in the thread that trains."""
        self._thread = threading.current_thread()
        self._due_elsewhere.clear()
        self._recorded.clear()

    def reports_end(self) -> bool:
        """Whether the end of a batch, of which the caller was told, is reported in the
        thread that trains."""
        is_here = threading.current_thread() is self._thread
        self._reports_ends = self._reports_ends or is_here
        return is_here

    def records_at_begin(self, batch: int) -> bool:
        """Whether steps are recorded at the begin of a batch: ends of earlier batches
        were not reported in this thread.

        Args:
            batch: Index of the batch in its epoch.
        """
        is_here = threading.current_thread() is self._thread
        return is_here and batch > 0 and not self._reports_ends

    def note_due(self, step: int) -> None:
        """Notes a step that another thread reported, and that is to be recorded."""
        self._due_elsewhere.add(step)

    def note_recorded(self, step: int) -> None:
        """Notes that a step was recorded."""
        self._recorded.add(step)

    def end_epoch(self, step: int) -> None:
        """Checks that no step was missed.

        Args:
            step: The last step of the epoch, which is recorded next.

        Raises:
            RuntimeError: Steps were reported by other threads only.
        """
        if self._due_elsewhere - self._recorded - {step}:
            raise RuntimeError(
                "`on_train_batch_end` was called from another thread than "
                "`on_epoch_begin`, where steps cannot be logged. Call the hooks of "
                "PVectorLogger from one thread."
            )
