"""What a user can ask for. A new task is one module here, named in `TASKS`."""

from mendem.tasks.base import InputSlot, Plan, Task
from mendem.tasks.denoise import Denoise

#: Every task by its name, in the order of menus and help.
TASKS: dict[str, type[Task]] = {task.name: task for task in (Denoise,)}

__all__ = ["TASKS", "Denoise", "InputSlot", "Plan", "Task"]
