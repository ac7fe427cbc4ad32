"""The kinds of question a model can answer about a picture. A new kind is one module here and one entry in TASKS."""

from oncoserve.tasks.base import Task
from oncoserve.tasks.classification import Classification
from oncoserve.tasks.delineation import Delineation
from oncoserve.tasks.detection import Detection
from oncoserve.tasks.localisation import Localisation
from oncoserve.tasks.segmentation import Segmentation

TASKS: tuple[Task, ...] = (
    Classification(),
    Localisation(),
    Delineation(),
    Segmentation(),
    Detection(),
)


def task_of_kind(kind: str) -> Task | None:
    """The task that a card's `task` names, if there is one."""
    return next((task for task in TASKS if task.kind == kind), None)
