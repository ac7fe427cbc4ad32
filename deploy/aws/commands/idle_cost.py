"""What a deployment costs in a month in which nobody asks.

The prices are data of this module alone. They are those of US East (N. Virginia) as far as they were known when
this was written, in other regions they are up to a third higher, and nobody has looked them up on AWS's pages for it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

WRITTEN = "2026-11"
WHERE = "https://aws.amazon.com/pricing/"
NOT_VERIFIED = f"Prices of US East, US$, noted {WRITTEN} and not verified: look at {WHERE}"
HOURS = 730  # of a month, as AWS counts

# US$ an hour. c7i: docs/scale.md, which names its source. g: published lists of prices. ml: that of EC2 and a fifth.
INSTANCES: Mapping[str, float] = {
    "c7i.large": 0.08925,
    "c7i.xlarge": 0.1785,
    "c7i.2xlarge": 0.357,
    "c7i.4xlarge": 0.714,
    "g4dn.xlarge": 0.526,
    "g4dn.2xlarge": 0.752,
    "g5.xlarge": 1.006,
    "g5.2xlarge": 1.212,
    "g6.xlarge": 0.8048,
    "g6.2xlarge": 0.9776,
    "ml.c7i.xlarge": 0.2142,
    "ml.c7i.2xlarge": 0.4284,
    "ml.g4dn.xlarge": 0.7364,
    "ml.g5.xlarge": 1.408,
    "ml.g6.xlarge": 1.1267,
}
DISK_GB = 0.08  # gp3, a month
ENDPOINT_HOUR = 0.01  # of an interface endpoint, in each of its subnets' zones
MONTHLY: Mapping[str, tuple[str, float]] = {
    "AWS::KMS::Key": ("keys of KMS", 1.0),
    "AWS::CloudWatch::Alarm": ("metrics of alarms (ten of an account are free)", 0.10),
    "AWS::CloudWatch::Dashboard": ("dashboards (three of an account are free)", 3.0),
    "AWS::WAFv2::WebACL": ("web ACLs, without their rules", 5.0),
    "AWS::SecretsManager::Secret": ("secrets", 0.40),
}
RULE = 1.0  # of a web ACL

Resources = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Cost:
    """One line of the bill.

    Attributes:
        what: in words, with the number.
        usd: a month; None where the price is not known here.
    """

    what: str
    usd: float | None


def idle(resources: Resources) -> list[Cost]:
    """The lines of what costs something while nothing is done.

    Args:
        resources: of all stacks together, as `Filled.resources` gives them.
    """
    found = [*_groups(resources), *_sagemaker(resources), *_endpoints(resources)]
    for kind, (words, usd) in MONTHLY.items():
        number = sum(_billed(each) for each in resources.values() if each["Type"] == kind)
        if number:
            found.append(Cost(f"{number} {words}", number * usd))
    webs = [each for each in resources.values() if each["Type"] == "AWS::WAFv2::WebACL"]
    rules = sum(len(_properties(each).get("Rules", [])) for each in webs)
    if rules:
        found.append(Cost(f"{rules} rules of web ACLs", rules * RULE))
    return found


def _billed(resource: Mapping[str, Any]) -> int:
    """An alarm on several metrics counts as so many, as far as is known; all else is one."""
    metrics = _properties(resource).get("Metrics", [])
    return max(1, sum("MetricStat" in each for each in metrics)) if isinstance(metrics, list) else 1


def in_lines(costs: list[Cost]) -> Iterator[str]:
    """The bill, its sum, and what it leaves out."""
    for each in costs:
        yield f"   {'  unknown' if each.usd is None else f'{each.usd:9.2f}'}  {each.what}"
    total = sum(each.usd or 0 for each in costs)
    more = " and what is unknown" if any(each.usd is None for each in costs) else ""
    yield f"   {total:9.2f}  US$ a month while nobody asks{more}"
    yield f"   {NOT_VERIFIED}. Requests, storage, logs and traffic come on top."


def _groups(resources: Resources) -> Iterator[Cost]:
    for group in resources.values():
        if group["Type"] != "AWS::AutoScaling::AutoScalingGroup":
            continue
        number, template = _number(_properties(group).get("MinSize")), _template_of(group, resources)
        kind = str(template.get("InstanceType", "an unknown type"))
        if number:
            hourly = INSTANCES.get(kind)
            yield Cost(f"{number} x {kind}, at all times", None if hourly is None else number * hourly * HOURS)
            disks = [each.get("Ebs", {}).get("VolumeSize", 0) for each in template.get("BlockDeviceMappings", [])]
            size = number * sum(map(_number, disks))
            yield Cost(f"{size} GB of their disks", size * DISK_GB)


def _template_of(group: Mapping[str, Any], resources: Resources) -> Mapping[str, Any]:
    named = _properties(group).get("LaunchTemplate", {}).get("LaunchTemplateId", {})
    name = named.get("Ref", "") if isinstance(named, dict) else ""
    found: Mapping[str, Any] = _properties(resources.get(name, {})).get("LaunchTemplateData", {})
    return found


def _sagemaker(resources: Resources) -> Iterator[Cost]:
    targets = [each for each in resources.values() if each["Type"] == "AWS::ApplicationAutoScaling::ScalableTarget"]
    least = max((_number(_properties(each).get("MinCapacity")) for each in targets), default=None)
    for each in resources.values():
        if each["Type"] != "AWS::SageMaker::EndpointConfig":
            continue
        for variant in _properties(each).get("ProductionVariants", []):
            kind = str(variant.get("InstanceType", "an unknown type"))
            number = _number(variant.get("InitialInstanceCount")) if least is None else least
            hourly = INSTANCES.get(kind)
            if number:
                yield Cost(f"{number} x {kind}, at all times", None if hourly is None else number * hourly * HOURS)


def _endpoints(resources: Resources) -> Iterator[Cost]:
    of = [
        len(_properties(each).get("SubnetIds", []))
        for each in resources.values()
        if each["Type"] == "AWS::EC2::VPCEndpoint" and _properties(each).get("VpcEndpointType") == "Interface"
    ]
    if of:
        yield Cost(f"{len(of)} interface endpoints in {max(of)} subnets", sum(of) * ENDPOINT_HOUR * HOURS)


def _properties(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = resource.get("Properties", {})
    return found


def _number(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:  # only AWS knows it
        return 0
