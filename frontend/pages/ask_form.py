"""The page's form while it comes in: its fields stand before the picture, so that a refusal need not wait for it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from fastapi import Request
from starlette.datastructures import FormData

from frontend.routes.form_parser import FormParser
from frontend.routes.uploads import MAX_FIELDS, is_multipart, parse_parameters, picture_in
from oncoserve.errors import MalformedRequest
from oncoserve.tasks.base import ServedModel
from oncoserve.tasks.parameters import PictureParameters

MODEL = "model"


class AskForm:
    """A multipart form whose first fields can be read before the rest has come.

    Args:
        request: of the page, its body not read yet.
    """

    def __init__(self, request: Request) -> None:
        self._parser = FormParser(request.headers, self._chunks(request), max_files=MAX_FIELDS, max_fields=MAX_FIELDS)
        self._known, self._wanted = asyncio.Event(), asyncio.Event()
        self._parsing = asyncio.create_task(self._parse())

    @classmethod
    @asynccontextmanager
    async def of(cls, request: Request) -> AsyncIterator[Self]:
        """Read the form for the length of the block; what has not come by its end is not waited for.

        Raises:
            MalformedRequest: it is no form.
        """
        if not is_multipart(request):
            raise MalformedRequest("The body is not multipart/form-data.")
        form = cls(request)
        try:
            yield form
        finally:
            form._parsing.cancel()
            await asyncio.gather(form._parsing, return_exceptions=True)

    @property
    def fields(self) -> dict[str, str]:
        """The text fields that have come in."""
        return {name: value for name, value in self._parser.items if isinstance(value, str)}

    async def model(self) -> str:
        """The field `model`, as soon as it is there; empty when the form has none.

        Raises:
            EmptyUpload, MissingImage, MalformedRequest, UploadTooLarge: the form has no such field, and something else
                is wrong with it.
        """
        await self._known.wait()
        if MODEL not in self.fields:
            await picture_in(await self._parsing)
        return self.fields.get(MODEL, "")

    async def question(self, model: ServedModel) -> tuple[bytes, PictureParameters]:
        """The picture and the parameters of the model's task, when everything has come in.

        The form has the fields of all tasks, most of them empty; those of other tasks are left out.

        Raises:
            EmptyUpload, MissingImage, MalformedRequest, UploadTooLarge, InvalidParameter
        """
        self._wanted.set()
        data, fields = await picture_in(await self._parsing)
        kind = model.task.parameters
        given = [(name, value) for name, value in fields if value and name in kind.model_fields]
        return data, parse_parameters(kind, given)

    async def _chunks(self, request: Request) -> AsyncGenerator[bytes, None]:
        async for chunk in request.stream():
            yield chunk
            if MODEL in self.fields:  # the parser has taken the chunk, and asks for the next one
                self._known.set()
                await self._wanted.wait()

    async def _parse(self) -> FormData:
        try:
            return await self._parser.form()
        finally:
            self._known.set()
