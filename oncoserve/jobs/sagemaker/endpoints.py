"""The asynchronous endpoints, one for each model, and how long an image may be with them."""

from typing import Final

from oncoserve.jobs.aws.clients import Connection, asking
from oncoserve.jobs.job import ImageMessage
from oncoserve.jobs.sagemaker.attributes import custom_attributes

# The longest that SageMaker keeps a request in its queue, which may have to wait for instances, and its default for the
# time that a container may take: RequestTTLSeconds and InvocationTimeoutSeconds of InvokeEndpointAsync.
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html
WAIT_S: Final = 21_600
TIMEOUT_S: Final = 900
# Both, and time for the notice and for settling. SQS hides a message for 12 hours at most.
LEASE_S: Final = WAIT_S + TIMEOUT_S + 900
ANSWERS: Final = "sagemaker/answers/"
ARCHIVE: Final = "application/zip"


class Endpoints:
    """The endpoints `<prefix><model>`, with hyphens in place of what their names may not hold.

    Args:
        connection: to AWS.
        bucket: that the pictures are in.
        prefix: what the endpoints' names begin with.
    """

    def __init__(self, connection: Connection, bucket: str, prefix: str) -> None:
        self._connection = connection
        self._bucket = bucket
        self._prefix = prefix

    async def invoke(self, message: ImageMessage, inference: str) -> None:
        """Have an image computed; the answer comes to `ANSWERS`, and a notice of it to the topics of the endpoint.

        Args:
            message: the image's.
            inference: the id that the notice names.

        Raises:
            InvalidParameter: the parameters do not fit into a header.
            JobsUnavailable: SageMaker does not take it; it may have it all the same.
        """
        attributes = custom_attributes(message.model, message.parameters)
        with asking("SageMaker"):
            runtime = await self._connection.sagemaker_runtime()
            await runtime.invoke_endpoint_async(
                EndpointName=endpoint_name(self._prefix, message.model),
                InputLocation=f"s3://{self._bucket}/{message.object}",
                ContentType="application/octet-stream",  # the kind of a picture is read from its content
                Accept=ARCHIVE,
                CustomAttributes=attributes,
                InferenceId=inference,
                RequestTTLSeconds=WAIT_S,
                InvocationTimeoutSeconds=TIMEOUT_S,
            )


def endpoint_name(prefix: str, model: str) -> str:
    """A model's endpoint: letters, digits and single hyphens are all that its name may have."""
    return prefix + model.replace("_", "-")
