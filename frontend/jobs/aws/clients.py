"""The clients of the AWS services, opened once, and what their errors mean here."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from frontend.errors import JobsUnavailable

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_sns import SNSClient
    from types_aiobotocore_sqs import SQSClient

CONNECTIONS = 50  # per service; the batches of a large job go out side by side


@dataclass(frozen=True)
class Clients:
    """One client per service, for one event loop."""

    s3: "S3Client"
    sns: "SNSClient"
    sqs: "SQSClient"
    dynamodb: "DynamoDBClient"


class Connection:
    """The clients of one process and event loop, made when they are first needed.

    Credentials and region come from the SDK's own chain.

    Args:
        endpoint_url: where all four services are, for an emulator; empty for AWS.
    """

    def __init__(self, endpoint_url: str = "") -> None:
        self._endpoint_url = endpoint_url or None
        self._opening = asyncio.Lock()
        self._clients: Clients | None = None
        self._open = contextlib.AsyncExitStack()

    async def clients(self) -> Clients:
        """The clients; call it where botocore's errors are expected."""
        async with self._opening:
            if self._clients is None:
                self._clients = await self._make()
            return self._clients

    async def close(self) -> None:
        """Let go of them."""
        await self._open.aclose()

    async def _make(self) -> Clients:
        session, url, enter = get_session(), self._endpoint_url, self._open.enter_async_context
        config = AioConfig(
            connect_timeout=3,
            read_timeout=30,  # a long poll takes 20
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": 3},
        )
        # With region and bucket in its name the host is the one that CloudFront asks, so that a signature holds there
        # too. The SDK's own checksums would become part of a presigned address, and of what the caller has to send.
        s3_config = config.merge(
            AioConfig(
                signature_version="s3v4",
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path" if url else "virtual", "us_east_1_regional_endpoint": "regional"},
            )
        )
        return Clients(
            await enter(session.create_client("s3", endpoint_url=url, config=s3_config)),
            await enter(session.create_client("sns", endpoint_url=url, config=config)),
            await enter(session.create_client("sqs", endpoint_url=url, config=config)),
            await enter(session.create_client("dynamodb", endpoint_url=url, config=config)),
        )


@contextlib.contextmanager
def asking(service: str) -> Iterator[None]:
    """Around calls of a service: that it cannot be reached, or refuses, becomes our error.

    Raises:
        JobsUnavailable: what the SDK gave up on.
    """
    try:
        yield
    except ClientError as error:
        raise JobsUnavailable(f"{service} answered {code_of(error)}") from error
    except (BotoCoreError, OSError) as error:
        raise JobsUnavailable(f"{service} did not answer: {type(error).__name__}") from error


def code_of(error: ClientError) -> str:
    """AWS's own name of an error, such as "NoSuchKey"."""
    return error.response.get("Error", {}).get("Code", "an error")
