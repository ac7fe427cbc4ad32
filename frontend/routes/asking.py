"""A request that asks a model: what the HTTP route and the page's form have in common."""

from collections.abc import Awaitable, Callable

from fastapi import Request

from frontend.http.caller_headers import while_connected
from frontend.routes.uploads import parse_parameters, read_upload
from oncoserve.prediction.caller import Caller
from oncoserve.prediction.predict import Answer, Predict
from oncoserve.tasks.base import ServedModel
from oncoserve.tasks.parameters import PictureParameters


async def ask(
    use_case: Predict,
    model: ServedModel,
    request: Request,
    caller: Caller,
    read: Callable[[], Awaitable[tuple[bytes, PictureParameters]]],
) -> Answer:
    """Ask for the length of the caller's patience: the work is cancelled when the deadline is over or it hangs up.

    Raises:
        ClientDisconnect: it hung up.
        PlatformError: see `Predict.predict`.
    """
    async with while_connected(request) as listen:

        async def read_and_listen() -> tuple[bytes, PictureParameters]:
            question = await read()
            listen()
            return question

        return await use_case.predict(model, read_and_listen, request.state.timings, caller)


async def read_question(model: ServedModel, request: Request) -> tuple[bytes, PictureParameters]:
    """The picture, and the parameters from address and form.

    Raises:
        EmptyUpload, MissingImage, MalformedRequest, UploadTooLarge, InvalidParameter
    """
    data, fields = await read_upload(request)
    return data, parse_parameters(model.task.parameters, [*request.query_params.multi_items(), *fields])
