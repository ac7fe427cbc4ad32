"""What things cost, each price with where it was read and when. US dollars, us-east-1, on demand."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Price:
    """A price.

    Args:
        dollars: for `per` units.
        per: number of units.
        unit: what is counted.
        source: where it was read; AWS's own price pages could not be read when this was written.
        date: of the source.
    """

    dollars: float
    per: float
    unit: str
    source: str
    date: str

    def of(self, count: float) -> float:
        """Dollars for so many units."""
        return count * self.dollars / self.per


TABLES: Final = "price tables in ten public repositories, which agree; unverified"

INSTANCES: Final = {
    "c7i.large": Price(0.08925, 1, "hour", TABLES, "undated"),
    "c7i.xlarge": Price(0.1785, 1, "hour", TABLES, "undated"),
    "c7i.2xlarge": Price(0.357, 1, "hour", TABLES, "undated"),
}
REQUESTS: Final = {
    "S3 PUT": Price(0.005, 1000, "request", "devnotes.tech, S3 pricing; unverified", "undated"),
    "S3 GET": Price(0.0004, 1000, "request", "devnotes.tech, S3 pricing; unverified", "undated"),
    "S3 storage": Price(0.023, 1, "GB-month", "devnotes.tech, S3 pricing; unverified", "undated"),
    "SNS": Price(0.50, 1e6, "publish", "factualminds.com, SNS pricing", "2026-06-13"),
    "SQS": Price(0.40, 1e6, "request", "cloudburn.io, SQS pricing", "2026-03-14"),
    "DynamoDB write": Price(0.625, 1e6, "write unit", "airbyte.com, DynamoDB pricing", "2025-07-21"),
    "API Gateway": Price(1.00, 1e6, "request of 512 KB", "appropri8, serverless tutorial; unverified", "2025-12-02"),
    "Lambda": Price(0.20, 1e6, "request", "appropri8, serverless tutorial; unverified", "2025-12-02"),
    "Lambda time": Price(0.0000166667, 1, "GB-second", "appropri8, serverless tutorial; unverified", "2025-12-02"),
    "Internet": Price(0.09, 1, "GB out", "devnotes.tech, S3 pricing; unverified", "undated"),
}
