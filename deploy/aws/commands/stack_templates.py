"""The CloudFormation templates: what they ask for, and whether what was given is that."""

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from oncoserve.cli.client.client_errors import UsageError
from oncoserve.cli.client.printing import printable

FOLDER = Path(__file__).resolve().parents[1]
MAX_BODY_BYTES = 51_200  # of a template within a request: CloudFormation quotas
OURS = "Oncoserve: "  # begins the Description of each of them
DIGEST = "sha256:"  # in the pattern of a parameter that takes an image


class _Loader(yaml.SafeLoader):
    """Reads the short forms of functions, such as !Ref, as their long ones."""


def _function(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """The long form of one function; `suffix` is its name without the exclamation mark."""
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)


def parsed(text: str) -> dict[str, Any]:
    """A template's text, with the long forms of its functions; empty if it is none."""
    try:
        found = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Template:
    """One of the project's templates.

    Attributes:
        path: its file.
        text: as it is there.
        document: as Python sees it, with the long forms of its functions.
    """

    path: Path
    text: str
    document: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Template":
        """Read a file.

        Raises:
            UsageError: there is none, or it is no template of ours.
        """
        try:
            text = path.read_text()
        except (OSError, UnicodeError) as error:
            raise UsageError(f"The template {path} cannot be read: {error}.") from error
        document = parsed(text)
        if not str(document.get("Description", "")).startswith(OURS) or not isinstance(document.get("Resources"), dict):
            raise UsageError(f"{path} is no template of this project: its Description does not begin with {OURS!r}.")
        return cls(path, text, document)

    @property
    def parameters(self) -> Mapping[str, Mapping[str, Any]]:
        """What it takes, by name."""
        found: Mapping[str, Mapping[str, Any]] = self.document.get("Parameters", {})
        return found

    @property
    def body(self) -> str:
        """What is sent: the file, or the same without comments where that is too long.

        Raises:
            UsageError: it is too long all the same.
        """
        if len(self.text.encode()) <= MAX_BODY_BYTES:
            return self.text
        short = json.dumps(self.document, separators=(",", ":"), ensure_ascii=False)
        if len(short.encode()) <= MAX_BODY_BYTES:
            return short
        met = f"{self.path} has {len(short.encode())} bytes without its comments; CloudFormation takes {MAX_BODY_BYTES}"
        raise UsageError(f"{met} in a request.")

    @property
    def images(self) -> list[str]:
        """The parameters that take an image by its digest."""
        return [key for key, each in self.parameters.items() if is_image(key, each)]


def is_image(key: str, parameter: Mapping[str, Any]) -> bool:
    """Whether a parameter takes a container's image."""
    of_machine = "EC2::Image" in str(parameter.get("Type", ""))
    return key.endswith("Image") and not of_machine and (DIGEST in parameter.get("AllowedPattern", DIGEST))


def check(given: Mapping[str, str], templates: Iterable[Template]) -> None:
    """Refuse what the templates do not take, before anything is done.

    Args:
        given: values by parameter.
        templates: of the stacks that are deployed together.

    Raises:
        UsageError: says what is wrong, and what could be said instead.
    """
    known = {key: each for template in templates for key, each in template.parameters.items()}
    unknown = sorted(set(given) - set(known))
    if unknown:
        names = "\n".join(f"  {key}: {described(each)}" for key, each in sorted(known.items()))
        raise UsageError(f"No template takes {', '.join(map(printable, unknown))}. There are:\n{names}")
    for template in templates:
        for key in set(given) & set(template.parameters):
            reason = _wrong(given[key], template.parameters[key]) or _senseless(key, given[key], template)
            if reason:
                told = described(template.parameters[key])
                raise UsageError(f"{key}={printable(given[key])[:200]} is refused: {reason}. {told}")


def described(parameter: Mapping[str, Any]) -> str:
    """A parameter in words: what it is, and its default."""
    words = str(parameter.get("Description", parameter.get("Type", "")))
    return words + (f" Default: {parameter['Default']}" if parameter.get("Default", "") != "" else "")


def missing(template: Template, given: Iterable[str]) -> list[str]:
    """The parameters that somebody has to give: those without a default."""
    return [key for key, each in template.parameters.items() if "Default" not in each and key not in set(given)]


def _wrong(value: str, parameter: Mapping[str, Any]) -> str:
    """Why a template's own rules refuse a value; empty if they do not. Of a list each part is held to them."""
    kind = str(parameter.get("Type", "String"))
    parts = [each.strip() for each in value.split(",")] if "List" in kind else [value]
    for part in parts:
        reason = _wrong_part(part, kind, parameter)
        if reason:
            return reason
    return ""


def _wrong_part(part: str, kind: str, parameter: Mapping[str, Any]) -> str:
    allowed = [str(each) for each in parameter.get("AllowedValues", [])]
    if allowed and part not in allowed:
        return f"expected one of {', '.join(allowed)}"
    pattern = parameter.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, part):
        return f"it does not match {pattern}"
    if kind in {"Number", "List<Number>"}:
        try:
            number = float(part)
        except ValueError:
            return "it is no number"
        if not float(parameter.get("MinValue", "-inf")) <= number <= float(parameter.get("MaxValue", "inf")):
            low, high = parameter.get("MinValue", "any"), parameter.get("MaxValue", "any")
            return f"expected at least {low} and at most {high}"
    longest = int(parameter.get("MaxLength", 4096))  # a parameter's own limit in CloudFormation
    if not int(parameter.get("MinLength", 0)) <= len(part) <= longest:
        return f"it has {len(part)} characters, {parameter.get('MinLength', 0)} to {longest} are taken"
    return ""


def _senseless(key: str, value: str, template: Template) -> str:
    """Why a value that CloudFormation would take could not work."""
    parts = [each.strip() for each in value.split(",")]
    models = template.document.get("Mappings", {}).get("Models", {})
    if key == "Models" and not set(parts) <= set(models):
        return f"expected names of Mappings: {', '.join(models)}"
    if key == "AllowedCidrs":
        for part in parts:
            try:
                ipaddress.ip_network(part)
            except ValueError as error:
                return f"{error}"
    return ""
