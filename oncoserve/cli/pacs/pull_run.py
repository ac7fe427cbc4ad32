"""From the PACS to the service and back: what is new is asked about, and what comes out is stored beside it."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from oncoserve.cli.pacs.carrying import Carrier, ImageRefused, Output
from oncoserve.cli.pacs.dicomweb_archive import Archive, ArchiveRefused, Listed
from oncoserve.cli.pacs.foreseen import Foreseen
from oncoserve.cli.pacs.image_classes import IMAGES
from oncoserve.cli.pacs.tally import Tally

BREATH_S: Final = 10.0


@dataclass(frozen=True)
class Wanted:
    """What to look for.

    Attributes:
        studies: by their UIDs; all that the filters find where none are named.
        filters: of studies, by keyword.
        modality: of the series; empty for any.
        limit: most images that are asked about in a run; None without.
        dry_run: whether nothing is fetched, asked or stored.
    """

    studies: Iterable[str] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    modality: str = ""
    limit: int | None = None
    dry_run: bool = False


class Pull:
    """Goes through a PACS.

    Args:
        archive: the PACS.
        carrier: asks about an image.
        wanted: what to look for.
        report: gets a line of JSON for each study, with its UID; None where nobody asked for it.
        alive: called with each step.
    """

    def __init__(
        self,
        archive: Archive,
        carrier: Carrier,
        wanted: Wanted,
        report: Path | None = None,
        alive: Callable[[], object] = lambda: None,
    ) -> None:
        self._archive, self._carrier, self._wanted, self._report = archive, carrier, wanted, report
        self._alive = alive
        self._refused: Final[set[str]] = set()  # by UID: asked about once for as long as this process lives
        self._done: Final[set[tuple[str, object]]] = set()  # by UID and model, where there is nothing to see them by
        self._foreseen = Foreseen(carrier.kinds[-1], None)

    def run(self, tally: Tally) -> None:
        """Look at every study once.

        Args:
            tally: counts, as far as it comes.

        Raises:
            ClientError: it cannot go on; what is stored is stored, and the next run goes on from there.
        """
        if not self._wanted.dry_run:
            self._foreseen = self._carrier.foresee(self._foreseen)  # the model may be another one by now
        for study in self._wanted.studies or self._archive.studies(self._wanted.filters):
            mine = Tally(studies=1)
            try:
                self._study(study, mine, tally.asked)
            except ArchiveRefused as error:
                mine.lost[error.reason] += 1
            finally:
                tally.add(mine)
                self._write(study, mine)

    def rest(self, seconds: float) -> None:
        """Wait until the next look."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._alive()
            time.sleep(min(left, BREATH_S))

    def _study(self, study: str, tally: Tally, asked: int) -> None:
        images: list[Listed] = []
        present: set[str] = set()
        for series, modality in self._archive.series(study):
            for one in self._archive.instances(study, series):
                present.add(one.uid)
                if self._is_wanted(one, modality):
                    images.append(one)
        for one in images:
            self._alive()
            tally.images += 1
            if one.uid in self._refused:
                continue
            if self._is_done(one, present):
                tally.before += 1
            elif self._wanted.dry_run or (self._wanted.limit is not None and asked + tally.asked >= self._wanted.limit):
                tally.waiting += 1
            else:
                self._image(one, present, tally)

    def _is_done(self, one: Listed, present: set[str]) -> bool:
        if (one.uid, self._foreseen.made) in self._done:
            return True
        frames = [None] if one.frames is None else range(1, one.frames + 1)
        return all(self._foreseen.is_done(one.uid, frame, present) for frame in frames)

    def _is_wanted(self, one: Listed, modality: str) -> bool:
        return one.sop_class in IMAGES and self._wanted.modality in {"", modality}

    def _image(self, one: Listed, present: set[str], tally: Tally) -> None:
        def deliver(output: Output) -> bool:
            if output.uid in present:
                return False
            self._archive.store(output.file)
            present.add(output.uid)
            return True

        try:
            left_out = partial(self._foreseen.is_done, one.uid, present=present)
            document = self._carrier.carry(self._archive.fetch(one), deliver, tally, left_out)
            if document is not None:
                self._foreseen.learn(document)
            if not self._is_done(one, present):
                self._done.add((one.uid, self._foreseen.made))
        except ImageRefused as error:
            tally.refused[error.code] += 1
            self._refused.add(one.uid)
        except ArchiveRefused as error:
            tally.lost[error.reason] += 1

    def _write(self, study: str, tally: Tally) -> None:
        if self._report is not None:
            with self._report.open("a") as file:
                file.write(json.dumps({"study": study, **asdict(tally)}) + "\n")
