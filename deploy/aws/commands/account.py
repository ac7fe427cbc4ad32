"""The account and the region that a command works in, and AWS's refusals in words."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError, UnknownServiceError
from botocore.exceptions import ConnectionError as NoConnection
from botocore.parsers import ResponseParserError
from botocore.session import get_session

from oncoserve.cli.client.client_errors import ClientError as Ending
from oncoserve.cli.client.client_errors import Unreachable, UsageError
from oncoserve.cli.client.printing import printable
from oncoserve.runtime.nearby import by_way_of, is_near

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")  # botocore itself looks at the second alone
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
UNKNOWN = frozenset({"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "AuthFailure"})


class Failed(Ending):
    """It was tried and did not succeed, or not all of it is well."""

    exit_code = 1


class Account:
    """Whose resources a command works on. AWS is asked at once who calls.

    Args:
        region: the one given; None for the one of the environment or of the profile.

    Attributes:
        region: the one that is used.
        region_from: where it was found, in words.
        id: the account's number.
        caller: ARN of whoever calls.
        partition: "aws", or that of China or of a government.
        endpoint: address of an emulator; empty for AWS.

    Raises:
        UsageError: there is no region, or the endpoint is no address.
    """

    def __init__(self, region: str | None) -> None:
        self._session = get_session()
        self._clients: dict[str, Any] = {}
        self.endpoint = os.environ.get(ENDPOINT_VARIABLE, "")
        self.region, self.region_from = self._find(region)
        identity = self.client("sts").get_caller_identity()
        self.caller, self.id = str(identity.get("Arn", "")), str(identity.get("Account", ""))
        if not (self.id.isdecimal() and self.caller.startswith("arn:")):
            raise UsageError(f"{self.endpoint or 'What answered'} is not AWS: it does not say whose account this is.")
        self.partition = self.caller.split(":")[1]

    @property
    def in_words(self) -> str:
        """Account, region and where both were found."""
        at = f", at {self.endpoint} ({ENDPOINT_VARIABLE})" if self.endpoint else ""
        return f"account {self.id} as {self.caller}, region {self.region} ({self.region_from}){at}"

    def client(self, service: str) -> Any:  # noqa: ANN401 - botocore makes the methods of its clients at run time
        """The client of a service in this region, such as "s3"; the same one each time."""
        if service not in self._clients:
            config = Config(
                connect_timeout=5,
                read_timeout=60,
                retries={"mode": "standard", "total_max_attempts": 4},
                proxies={} if self.endpoint and is_near(self.endpoint) else None,
            )
            try:
                self._clients[service] = self._session.create_client(service, region_name=self.region, config=config)
            except ValueError as error:
                met = f"{error}. {ENDPOINT_VARIABLE} wants an address like http://127.0.0.1:4566"
                raise UsageError(met) from error
        return self._clients[service]

    def _find(self, region: str | None) -> tuple[str, str]:
        if region:
            return region, "--region"
        for name in REGION_VARIABLES:
            if os.environ.get(name):
                return os.environ[name], name
        found = self._session.get_config_variable("region")
        if found:
            return str(found), f"profile {self._session.profile or 'default'}"
        raise UsageError("No region is set: say --region eu-central-1, for example.")


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """Put around a command: what AWS or its SDK refuses becomes one sentence.

    Raises:
        UsageError: what is to be put right by who called.
        Unreachable: nobody answers.
    """
    try:
        yield
    except ClientError as error:
        raise UsageError(_refusal(error)) from error
    except NoCredentialsError as error:
        met = "There are no credentials of AWS here: `aws configure`, `aws sso login` or AWS_PROFILE gives them."
        raise UsageError(met) from error
    except (NoConnection, HTTPClientError) as error:
        endpoint = os.environ.get(ENDPOINT_VARIABLE, "")
        raise Unreachable(printable(f"{error}{by_way_of(endpoint) if endpoint else ''}")) from error
    except UnknownServiceError as error:
        raise UsageError("The installed SDK is too old: `make .venv/.dev` renews it.") from error
    except ResponseParserError as error:
        at = os.environ.get(ENDPOINT_VARIABLE, "") or "What answered"
        raise UsageError(f"{at} is not AWS: its answer cannot be read.") from error
    except BotoCoreError as error:  # of the region, the profile, the credentials
        raise UsageError(printable(str(error))) from error


def code_and_text(error: ClientError) -> tuple[str, str]:
    """AWS's name of an error, and its words on one line."""
    told = error.response.get("Error", {})
    return str(told.get("Code", "an error")), printable(str(told.get("Message", "")).strip())


def _refusal(error: ClientError) -> str:
    code, text = code_and_text(error)
    if code in EXPIRED:
        return "The credentials have expired: `aws sso login`, or get new ones."
    if code in UNKNOWN:
        return f"AWS does not take these credentials ({code})."
    return f"AWS refuses {error.operation_name} ({code}): {text}"
