"""Half-data validation of a stack as a job of the engine thread. No Qt."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from mendem.errors import Cancelled, MendemError
from mendem.image import Image

if TYPE_CHECKING:
    from mendem.appraisal.half_data import HalfData
    from mendem.engine import Progress
    from mendem.options import Options
    from mendem.tasks.base import Task


class HalfJob:
    """`work` runs in the engine thread; everything else may be read meanwhile from another."""

    def __init__(self, image: Image, task: Task, options: Options, split: str, cpu_threads: int = 0) -> None:
        self.image, self.task, self.options, self.split = image, task, options, split
        self.cancelled = threading.Event()
        self.progress: Progress | None = None
        self.result: HalfData | None = None
        self._cpu_threads = cpu_threads

    def work(self) -> HalfJob:
        """Restore both halves and correlate them; ``result`` stays None where it was cancelled."""
        from mendem import restore
        from mendem.appraisal.half_data import half_data_validation
        from napari_mendem.workers import use_cpu_threads

        try:
            if self.cancelled.is_set():
                return self
            use_cpu_threads(self._cpu_threads)
            self.result = half_data_validation(
                self.image,
                self.task,
                self.options,
                split=self.split,
                progress=self._set_progress,
                cancel=self.cancelled,
                restore=restore,
            )
        except Cancelled:
            pass
        return self

    def _set_progress(self, progress: Progress) -> None:
        self.progress = progress


def recipe(record: dict[str, Any], options: Options) -> tuple[Task, Options]:
    """Task and options of a restoration's provenance; Denoise with ``options`` where there is none.

    Raises
    ------
    MendemError
        Where the task also needs a layer, which a half would need of its own.
    """
    from mendem.options import Options
    from mendem.tasks import TASKS, Denoise

    if not record:
        return Denoise(), options
    name = record["task"]["name"]
    if name not in TASKS:
        raise MendemError(f"the restoration was made by {name}, which this version does not have; choose another")
    more = [slot for slot in record.get("inputs", {}) if slot not in ("image", "noise")]
    if more:
        raise MendemError(f"{name} was given a layer ({', '.join(more)}); validate halves in Python, where it is given")
    known = {k: v for k, v in record["options"].items() if k in Options.__dataclass_fields__}
    return TASKS[name](**record["task"]["parameters"]), Options(**known)
