"""From what a caller sends for a job to its pictures, one at a time, in threads, with room for each in the memory."""

from collections.abc import AsyncGenerator
from contextlib import ExitStack

from oncoserve.errors import RequestError
from oncoserve.jobs.intake.pieces import Piece, Pieces
from oncoserve.jobs.intake.submission import Allowance, JobLimits, Submission, clean_name
from oncoserve.jobs.intake.zip_archive import Archive
from oncoserve.pictures.kinds.sniffing import is_zip
from oncoserve.runtime.budget import Budget
from oncoserve.runtime.threads import CpuThreads


class Intake:
    """Takes in what jobs are sent.

    Args:
        limits: of a job.
        threads: where files are looked at and taken apart.
        memory: of what is unpacked; None where nobody counts it.
    """

    def __init__(self, limits: JobLimits, threads: CpuThreads, memory: Budget | None = None) -> None:
        self._limits, self._threads, self._memory = limits, threads, memory

    async def pieces(self, sent: Submission, allowance: Allowance, *, all_frames: bool) -> AsyncGenerator[Piece]:
        """The pictures of one file that was sent with its bytes, as they come. Close it: it holds memory.

        Args:
            sent: the file.
            allowance: of the job.
            all_frames: see `Pieces`.

        Raises:
            TooManyImages, JobTooLarge, SeveralStudies, UnusableArchive: of the job as a whole.
            NoRoom
        """
        assert sent.read is not None  # noqa: S101 - an upload is not read here
        try:
            data = await sent.read()
        except RequestError as error:
            yield Piece(clean_name(sent.name), fault=error)
            return
        with ExitStack() as held:
            share = held.enter_context(self._memory.share()) if self._memory else None
            needed = 0

            def grow(more: int) -> None:
                if share:
                    share.grow(needed + more)

            taken_apart = Pieces(self._limits, allowance, grow, all_frames=all_frames)
            if is_zip(data):
                archive = await self._threads.run(Archive, data, self._limits)
                needed = archive.largest_bytes
                if share:
                    await share.wait(needed)
                pieces = taken_apart.of_archive(archive)
            else:
                pieces = taken_apart.of_file(sent.name, data)
            while (piece := await self._threads.run(next, pieces, None)) is not None:
                yield piece
