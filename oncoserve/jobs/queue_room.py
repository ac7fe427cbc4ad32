"""How many images of jobs may wait, so that the pictures of jobs do not fill the disk."""

from dataclasses import dataclass

from oncoserve.errors import QueueFull, TooManyQueuedImages


@dataclass(frozen=True)
class Queued:
    """Numbers of images that wait: of one owner's jobs, and of all. Where nobody can tell, 0."""

    own: int
    total: int


@dataclass(frozen=True)
class Room:
    """How many images may wait: of one owner's jobs, and of all."""

    own: int
    total: int

    def check(self, queued: Queued, sent: int) -> None:
        """See that there is room.

        Args:
            queued: what waits.
            sent: number of images of the new job.

        Raises:
            TooManyQueuedImages, QueueFull: there is none.
        """
        if queued.own + sent > self.own:
            raise TooManyQueuedImages(queued.own, sent, self.own)
        if queued.total + sent > self.total:
            raise QueueFull(queued.total, sent, self.total)
