"""What 1,000 images cost on AWS: the workers' time, and every request on the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from loadtest.scale.prices import REQUESTS, Price

THOUSAND = 1000
KEPT_DAYS: Final = 8  # the bucket's lifecycle
MONTH_DAYS: Final = 30
METERED_MB: Final = 0.512  # API Gateway counts a request of more as several
JOB_MB: Final = 4  # the client's jobs
LAMBDA_GB_S_PER_IMAGE: Final = 0.05  # assumed: 0.05 s at 1 GB for the checks and the writing; not measured on AWS


@dataclass(frozen=True)
class Workload:
    """A kind of image and what is asked about it.

    Args:
        name: for the tables.
        images_per_hour: what one worker with two vCPUs does.
        image_mb: of an image.
        result_mb: of its result's files together.
        result_files: how many they are.
    """

    name: str
    images_per_hour: float
    image_mb: float
    result_mb: float
    result_files: int


def per_thousand(work: Workload, instance: Price, *, fetched: bool = True) -> Mapping[str, float]:
    """Dollars for 1,000 images, by what they are for.

    The counts are those of the adapters in oncoserve/jobs/aws: an image is put once and got once, its files are
    put once each; one publish, one receive, one delete; three writes of its item (made, begun, ended), and two of the
    record and its index a job.

    Args:
        work: what is done.
        instance: price of a worker's hour.
        fetched: whether the results are then got over the internet.
    """
    jobs = work.image_mb / JOB_MB
    sent = work.image_mb / METERED_MB
    got = work.result_files if fetched else 0
    counts = {
        "S3 PUT": 1 + work.result_files,
        "S3 GET": 1 + got,
        "S3 storage": (work.image_mb + work.result_mb) / THOUSAND * KEPT_DAYS / MONTH_DAYS,
        "SNS": 1,
        "SQS": 2,
        "DynamoDB write": 3 + 2 * jobs,
        "API Gateway": sent + got,
        "Lambda": jobs + got,
        "Lambda time": LAMBDA_GB_S_PER_IMAGE,
        "Internet": work.result_mb / THOUSAND if fetched else 0,
    }
    costs = {name: REQUESTS[name].of(count * THOUSAND) for name, count in counts.items()}
    return {"workers": instance.of(THOUSAND / work.images_per_hour), **costs}
