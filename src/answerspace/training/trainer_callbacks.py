"""What stands beside the transformers ``Trainer`` while it runs: a log, a progress bar, a way to stop."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from rich.progress import Progress, TaskID
from transformers import TrainerCallback

from answerspace.progress import bar


class LogFile(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Appends every log entry to a JSON Lines file, from the first process only."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """One line per entry."""
        if state.is_world_process_zero and logs:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": state.global_step, **logs}) + "\n")


class ProgressBar(TrainerCallback):  # type: ignore[misc]
    """Steps done, their rate and the time left, on standard error."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show the bar."""
        if state.is_world_process_zero:
            self._progress = bar()
            self._progress.start()
            self._task = self._progress.add_task("steps", total=state.max_steps, completed=state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """One step more."""
        if self._progress is not None:
            self._progress.update(self._task, completed=state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the bar as it stands."""
        self.close()

    def close(self) -> None:
        """Stop the display; twice does no harm."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class StopAfterStep(TrainerCallback):  # type: ignore[misc]
    """Ends the run with a checkpoint after a given step, or after the step in which it was asked to."""

    def __init__(self, until_step: int | None = None) -> None:
        self.until_step = until_step
        self.asked = False

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Save and stop when it is time."""
        if self.asked or state.global_step == self.until_step:
            control.should_save = True
            control.should_training_stop = True

    @contextmanager
    def on_interrupt(self, active: bool) -> Iterator[None]:
        """Within the context the first Ctrl-C waits for the step's end and its checkpoint; a second one does not.

        Leaves with KeyboardInterrupt. Not for several processes, which would stop at different steps.
        """
        if not active or threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, frame: FrameType | None) -> None:
            if self.asked:
                raise KeyboardInterrupt
            self.asked = True

        before = signal.signal(signal.SIGINT, handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
        if self.asked:
            raise KeyboardInterrupt
