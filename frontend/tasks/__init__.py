"""The kinds of question a model can answer about a picture. A new kind is one module here and one entry in TASKS."""

from frontend.tasks.base import Task
from frontend.tasks.classification import Classification
from frontend.tasks.localisation import Localisation
from frontend.tasks.segmentation import Segmentation

TASKS: tuple[Task, ...] = (Classification(), Localisation(), Segmentation())


def task_of_kind(kind: str) -> Task | None:
    """The task that a card's `task` names, if there is one."""
    return next((task for task in TASKS if task.kind == kind), None)
