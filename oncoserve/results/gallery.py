"""Stored results again, in other forms and with other options. Nothing here asks the inference server."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeVar, cast

from PIL import Image
from pydantic import Field

from oncoserve import NOTICE
from oncoserve.errors import RenderingNotAvailable, UnknownObjects
from oncoserve.pictures.decode import decode, to_png
from oncoserve.results import corrections
from oncoserve.results.comparison import Comparison, comparable, compare, counterpart
from oncoserve.results.drawing import Drawing
from oncoserve.results.entry import HEADER_BYTES, Entry
from oncoserve.results.evidence.evidence_renderings import DICOM
from oncoserve.results.maker import maker
from oncoserve.results.result_store import PICTURE, Kept, ResultStore, secret_of
from oncoserve.runtime.budget import Budget
from oncoserve.runtime.threads import CpuThreads
from oncoserve.tasks.base import Rendering, RenderingOptions, ServedModel, Stored
from oncoserve.tasks.parameters import Parameters

THUMBNAIL_QUALITY = 85  # of JPEG, 0-95
ENCODED_BYTES = 3  # per pixel of a drawing as PNG, at most: noise does not get smaller

T = TypeVar("T")


class ThumbnailOptions(Parameters):
    """How a thumbnail is drawn."""

    side: int = Field(default=160, ge=16, le=1024)
    """Longer side of the thumbnail, in pixels."""

    layer: Literal["none", "overlay"] = "none"
    """Whether the overlay lies over the picture."""


class Gallery:
    """Reads, reviews and draws stored results.

    Args:
        store: where they are kept.
        model_of: the model of that name in this version, None is the newest; raises what `Catalogue.get` raises.
        threads: where the CPU's work is done.
        drawings: memory for drawings, encoded, until they are read.
        pictures: memory for what is read and decoded to make them.
        max_image_pixels: width times height.
    """

    def __init__(
        self,
        store: ResultStore,
        model_of: Callable[[str, str | None], ServedModel],
        threads: CpuThreads,
        drawings: Budget,
        pictures: Budget,
        max_image_pixels: int,
    ) -> None:
        self._store = store
        self._model_of = model_of
        self._threads = threads
        self._drawings = drawings
        self._pictures = pictures
        self._max_image_pixels = max_image_pixels

    async def document(self, result: str, owner: str | None) -> dict[str, Any]:
        """The JSON document as it was stored, or, where objects were excluded, as it is without them.

        Raises:
            ResultNotFound, StorageUnavailable
        """
        results = self._store.of(owner)
        kept = await self._threads.run(results.read, result)
        if kept.notes is None:
            document: dict[str, Any] = json.loads(kept.document)
            return document
        entry = await self.open(result, owner)
        return await self.review(entry, entry.model.task.view())

    async def compare(self, result: str, owner: str | None) -> Comparison:
        """The result beside that of the model that its model's card names, if it is stored for the same picture.

        Raises:
            ResultNotFound, StorageUnavailable, RenderingNotAvailable: the card names none with two of its classes, and
                what `Catalogue.get` raises.
        """
        results = self._store.of(owner)
        document: dict[str, Any] = json.loads((await self._threads.run(results.read, result)).document)
        card = maker(document, self._model_of).card
        other = None if card.compare_with is None else self._model_of(card.compare_with, None)
        if other is None or not comparable(document, card, other.card):
            raise RenderingNotAvailable(card.name, "comparison")
        found = await self._threads.run(results.find, counterpart(document, other))
        return compare(document, card, other.card, None if found is None else json.loads(found.document))

    async def delete(self, result: str, owner: str | None) -> None:
        """Remove a result with all its files.

        Raises:
            ResultNotFound, StorageUnavailable
        """
        await self._threads.run(self._store.of(owner).delete, result)

    async def open(self, result: str, owner: str | None) -> Entry:
        """A result with its model, ready to be drawn.

        Raises:
            ResultNotFound, StorageUnavailable, and what `Catalogue.get` raises when the model is gone.
        """
        results = self._store.of(owner)

        def read() -> tuple[dict[str, Any], Kept]:
            kept = results.read(result)
            return json.loads(kept.document), kept

        document, kept = await self._threads.run(read)
        return Entry(document, maker(document, self._model_of), results, kept.file_bytes, lambda: kept.notes)

    async def review(self, entry: Entry, view: Parameters) -> dict[str, Any]:
        """The JSON document as it is with `view`."""

        def work() -> dict[str, Any]:
            return {**entry.document, **entry.model.task.review(self.stored(entry), view)}

        return await self.with_room(entry.reading_bytes(), work)

    async def draw(self, entry: Entry, rendering: Rendering, options: Parameters) -> Drawing:
        """Make a rendering. What can fail has failed before the first piece is asked for.

        Raises:
            NoRoom, ResultNotFound, StorageUnavailable; SourceNotDicom, SourceIncomplete, NothingToSegment,
            EvidenceFailed, CorruptImage and InvalidParameter of DICOM outputs.
        """

        def work() -> bytes | Iterator[str]:
            with share.in_use():
                drawn = rendering.draw(self.stored(entry), options)
                if isinstance(drawn, Image.Image):
                    assert isinstance(options, RenderingOptions)  # noqa: S101 - an image's are
                    provenance = {**entry.document["provenance"], "drawn_with": options.model_dump(mode="json")}
                    framed = options.place(entry.document["image"]).image(drawn)
                    del drawn  # there are never more than two copies
                    return to_png(framed, {"Description": NOTICE, "Provenance": json.dumps(provenance)})
                return drawn

        share = self._drawings.share()
        try:
            evidence = rendering.media_type == DICOM
            if not evidence and not rendering.media_type.startswith("image/"):
                # Text is made while it is read, so everything stays until then.
                await share.wait(entry.reading_bytes(text=True))
                return Drawing(await self._threads.run(work), share, self._threads)
            await share.wait(entry.pixels * ENCODED_BYTES + (HEADER_BYTES if evidence else 0))
            needed = entry.drawing_bytes() + (entry.evidence_bytes() if evidence else 0)
            drawing = Drawing(await self.with_room(needed, work), share, self._threads)
        except BaseException:
            share.close()
            raise
        share.keep(drawing.size or 0)
        return drawing

    async def with_room(self, size: int, work: Callable[[], T]) -> T:
        """Do work in a thread that takes so many bytes, when they are free.

        Raises:
            NoRoom: they do not get free.
        """

        def hold() -> T:
            with share.in_use():
                return work()

        with self._pictures.share() as share:
            await share.wait(size)
            return await self._threads.run(hold)

    async def thumbnail(self, result: str, owner: str | None, options: ThumbnailOptions) -> bytes:
        """The picture made small, as JPEG.

        Raises:
            ResultNotFound, StorageUnavailable, RenderingNotAvailable, and what `Catalogue.get` raises.
        """
        entry = await self.open(result, owner)
        overlay = entry.rendering("overlay.png") if options.layer == "overlay" else None

        def work() -> bytes:
            if overlay:
                image = cast("Image.Image", overlay.draw(self.stored(entry), overlay.options()))
            else:
                data, card = entry.results.files(result)[PICTURE], entry.model.card
                image = decode(data, self._max_image_pixels, card.preprocessing.background, options.side).image()
            image.thumbnail((options.side, options.side))
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=THUMBNAIL_QUALITY)
            return buffer.getvalue()

        return await self.with_room(entry.drawing_bytes(), work)

    async def correct(
        self, entry: Entry, owner: str | None, view: Parameters, excluded: frozenset[str]
    ) -> dict[str, Any]:
        """Exclude these objects and no others from what is counted and drawn with `view`.

        Returns:
            The JSON document as it is then.

        Raises:
            CorrectionsNotAvailable, UnknownObjects, ResultNotFound, StorageUnavailable
        """
        view = entry.model.task.settled(view, entry.model.card)

        def work() -> None:
            there = entry.objects(self.stored(entry), view)
            if not excluded <= there:
                raise UnknownObjects(excluded - there)
            entry.results.add_notes(entry.document["id"], partial(corrections.changed, view=view, excluded=excluded))

        await self.with_room(entry.reading_bytes(text=True), work)
        return await self.review(await self.open(entry.document["id"], owner), view)

    def stored(self, entry: Entry) -> Stored:
        """All that is kept of a result. Reads files, unless it was made just now; called from threads.

        Raises:
            ResultNotFound, StorageUnavailable
        """
        if entry.fresh is not None:
            return replace(entry.fresh, secret=partial(secret_of, entry.results))
        files = entry.results.files(entry.document["id"])
        data = files.pop(PICTURE)
        card = entry.model.card
        return Stored(
            entry.document,
            files,
            card,
            lambda: decode(data, self._max_image_pixels, card.preprocessing.background),
            corrections.parse(entry.notes()),
            partial(secret_of, entry.results),
        )
