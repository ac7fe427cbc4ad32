"""Which images of a job are of which file: the service puts slices into order, and makes one of each frame."""

import re
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Final

from oncoserve.cli.client.picture_files import sent_name

FRAME: Final = re.compile(r"(.+)(, frame \d+)", re.DOTALL)


def matched(names: Sequence[str], images: Sequence[str]) -> list[tuple[str, str]] | None:
    """For each image the file that it is of, and its own name in the run: the file's, or that with its frame.

    Args:
        names: of the files that were sent, in order. Of those that are sent under one name the order stays.
        images: the names in the job.

    Returns:
        None where they are not the images of these files.
    """
    waiting: dict[str, deque[str]] = defaultdict(deque)
    for name in names:
        waiting[sent_name(name)].append(name)
    found: list[tuple[str, str]] = []
    for image in images:
        frame = FRAME.fullmatch(image)
        if waiting.get(image):
            name = waiting[image].popleft()
            found.append((name, name))
        elif frame and waiting.get(frame[1]):
            name = waiting[frame[1]][0]
            found.append((name, name + frame[2]))
        else:
            return None
    return found if {name for name, _ in found} == set(names) else None
