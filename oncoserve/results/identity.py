"""What a result is called."""

import hashlib
import json

from oncoserve.pictures.rgb import READING_RULES
from oncoserve.tasks.base import ServedModel
from oncoserve.tasks.parameters import PictureParameters


def result_id(image_sha256: str, model: ServedModel, parameters: PictureParameters) -> str:
    """The name that the same question always gets: 32 hexadecimal digits.

    What older rules of reading made of the same file is another result, and no answer to this question.

    Args:
        image_sha256: of the file, as it was sent.
        model: what is asked, in this version and with this graph. Where limits of its card decide whether it answers,
            other limits are another question.
        parameters: the task's.
    """
    question = [image_sha256, READING_RULES, model.name, model.version, model.model_sha256, parameters.asked()]
    if limits := model.task.limits(model.card):
        question.append(limits)
    text = json.dumps(question, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
