"""What a user can ask for. A new task is one module here, named in `TASKS`."""

from mendem.tasks.base import InputSlot, Plan, Task
from mendem.tasks.deblur import Deblur
from mendem.tasks.denoise import Denoise
from mendem.tasks.frames import Frames
from mendem.tasks.inpaint import Inpaint
from mendem.tasks.isotropic import Isotropic
from mendem.tasks.mend import Mend
from mendem.tasks.super_resolve import SuperResolve

#: Every task by its name, in the order of menus and help.
TASKS: dict[str, type[Task]] = {
    task.name: task for task in (Denoise, Deblur, SuperResolve, Inpaint, Mend, Frames, Isotropic)
}

__all__ = [
    "TASKS",
    "Deblur",
    "Denoise",
    "Frames",
    "InputSlot",
    "Inpaint",
    "Isotropic",
    "Mend",
    "Plan",
    "SuperResolve",
    "Task",
]
