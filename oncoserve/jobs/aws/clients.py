"""The clients of the AWS services, opened once, and what their errors mean here."""

import asyncio
import contextlib
import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import botocore.session
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProxyConnectionError
from botocore.session import Session

from oncoserve.errors import JobsUnavailable
from oncoserve.objects.bucket import Bucket, Keys, Place
from oncoserve.runtime.nearby import is_near

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_sns import SNSClient
    from types_aiobotocore_sqs import SQSClient

C = TypeVar("C")

CONNECTIONS = 50  # per service; the batches of a large job go out side by side


class Connection:
    """The clients of one process and event loop, each made when it is first needed.

    Credentials and region come from the SDK's own chain. Call the methods where botocore's errors are expected.

    Args:
        endpoint_url: where all services are, for an emulator; empty for AWS.
    """

    def __init__(self, endpoint_url: str = "") -> None:
        self._endpoint_url = endpoint_url or None
        self._session = get_session()
        self._opening = asyncio.Lock()
        self._clients: dict[str, Any] = {}
        self._open = contextlib.AsyncExitStack()
        self._config = AioConfig(
            connect_timeout=3,
            read_timeout=30,  # a long poll takes 20
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": 3},
            # Else the SDK's own: those of the environment, which AWS is reached through where there are any.
            proxies={} if self._endpoint_url and is_near(self._endpoint_url) else None,
        )

    async def s3(self) -> "S3Client":
        """The client of S3."""
        # With region and bucket in its name the host is the one that CloudFront asks, so that a signature holds there
        # too. The SDK's own checksums would become part of a presigned address, and of what the caller has to send.
        config = self._config.merge(
            AioConfig(
                signature_version="s3v4",
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={
                    "addressing_style": "path" if self._endpoint_url else "virtual",
                    "us_east_1_regional_endpoint": "regional",
                },
            )
        )
        make = partial(self._session.create_client, "s3", endpoint_url=self._endpoint_url, config=config)
        return await self._once("s3", make)

    def bucket(self, name: str, timeout_s: float) -> Bucket:
        """What keeps the objects of a bucket, with the region and the credentials of the other clients.

        Args:
            name: the bucket's.
            timeout_s: seconds that one request may take.
        """
        session = botocore.session.get_session()
        region = session.get_config_variable("region") or ""
        return Bucket(Place(name, self._endpoint_url or "", region), timeout_s, partial(_keys, session))

    async def sns(self) -> "SNSClient":
        """The client of SNS."""
        make = partial(self._session.create_client, "sns", endpoint_url=self._endpoint_url, config=self._config)
        return await self._once("sns", make)

    async def sqs(self) -> "SQSClient":
        """The client of SQS."""
        make = partial(self._session.create_client, "sqs", endpoint_url=self._endpoint_url, config=self._config)
        return await self._once("sqs", make)

    async def dynamodb(self) -> "DynamoDBClient":
        """The client of DynamoDB."""
        make = partial(self._session.create_client, "dynamodb", endpoint_url=self._endpoint_url, config=self._config)
        return await self._once("dynamodb", make)

    async def sagemaker_runtime(self) -> Any:  # noqa: ANN401 - its types are not among those that are installed
        """The client of SageMaker's endpoints; for an emulator without them, the SDK's own variable says where."""
        elsewhere = os.environ.get("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME") or self._endpoint_url
        make = partial(self._session.create_client, "sagemaker-runtime", endpoint_url=elsewhere, config=self._config)
        return await self._once("sagemaker-runtime", make)

    async def close(self) -> None:
        """Close them."""
        await self._open.aclose()

    async def _once(self, service: str, make: Callable[[], contextlib.AbstractAsyncContextManager[C]]) -> C:
        async with self._opening:
            if service not in self._clients:
                self._clients[service] = await self._open.enter_async_context(make())
            client: C = self._clients[service]
            return client


def _keys(session: Session) -> Keys:
    """What the SDK's chain finds now; it renews what expires."""
    found = session.get_credentials()
    if found is None:
        raise NoCredentialsError
    now = found.get_frozen_credentials()
    return Keys(now.access_key or "", now.secret_key or "", now.token)


@contextlib.contextmanager
def asking(service: str) -> Iterator[None]:
    """Put around calls of a service: if it cannot be reached, or refuses, that becomes our error.

    Raises:
        JobsUnavailable: what the SDK gave up on.
    """
    try:
        yield
    except ClientError as error:
        raise JobsUnavailable(f"{service} answered {code_of(error)}") from error
    except (BotoCoreError, OSError) as error:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()  # such as "connect timeout error"
        hint = " (see https_proxy and no_proxy in its environment)" if isinstance(error, ProxyConnectionError) else ""
        raise JobsUnavailable(f"{service} did not answer: {words}{hint}") from error


def code_of(error: ClientError) -> str:
    """AWS's own name of an error, such as "NoSuchKey"."""
    return error.response.get("Error", {}).get("Code", "an error")
