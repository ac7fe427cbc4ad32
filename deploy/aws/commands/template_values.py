"""What a template makes of its parameters: conditions decided, loops unrolled, as far as that is known beforehand."""

import hashlib
import ipaddress
import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from deploy.aws.commands.account import Account
from deploy.aws.commands.stack_templates import Template

GONE = object()  # what AWS::NoValue leaves
NAME = re.compile(r"\$\{([\w:.]+)\}")
LOOP = "Fn::ForEach::"


class Filled:
    """A template with its parameters. What only AWS knows stays as it is written there.

    Args:
        document: the template, with the long forms of its functions.
        values: by parameter; defaults stand in for what is missing.
        pseudo: such as AWS::Region, as far as known.
    """

    def __init__(
        self, document: Mapping[str, Any], values: Mapping[str, str], pseudo: Mapping[str, str] | None = None
    ) -> None:
        self._document = document
        self._values: dict[str, Any] = dict(pseudo or {})
        for key, each in document.get("Parameters", {}).items():
            if key in values or "Default" in each:
                text = str(values.get(key, each.get("Default")))
                self._values[key] = text.split(",") if "List" in str(each.get("Type")) else text
        self._conditions = dict(self._unrolled(document.get("Conditions", {}), {}))

    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources that there will be, by name."""
        found = {}
        for name, (resource, turn) in self._unrolled(self._document["Resources"], {}):
            if "Condition" not in resource or self._holds(resource["Condition"]):
                found[name] = self._fill(resource, turn)
        return found

    def _unrolled(self, part: Mapping[str, Any], turn: Mapping[str, str]) -> Iterator[tuple[str, tuple[Any, Any]]]:
        """The entries of a part of the template, each with the values that loops' variables have for it."""
        for key, value in part.items():
            if not key.startswith(LOOP):
                yield self._text(key, turn), (value, turn)
                continue
            variable, values, body = value
            found = self._fill(values, turn)
            for each in found if isinstance(found, list) else []:
                yield from self._unrolled(body, {**turn, variable: each})

    def _fill(self, part: Any, turn: Mapping[str, str]) -> Any:  # noqa: ANN401 - any part of a document
        if isinstance(part, list):
            return [each for each in (self._fill(each, turn) for each in part) if each is not GONE]
        if not isinstance(part, dict):
            return part
        if len(part) == 1:
            ((function, value),) = part.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self._call(function, value, turn)
        filled = {key: self._fill(each, own) for key, (each, own) in self._unrolled(part, turn)}
        return {key: each for key, each in filled.items() if each is not GONE}

    def _call(self, function: str, value: Any, turn: Mapping[str, str]) -> Any:  # noqa: ANN401 - as above
        if function == "Ref" and isinstance(value, str):
            known = {"AWS::NoValue": GONE, **self._values, **turn}
            return known.get(value, {"Ref": value})
        if function == "Fn::If":
            return self._fill(value[1] if self._holds(value[0]) else value[2], turn)
        if function == "Fn::Sub":
            return self._substitute(value, turn)
        filled = self._fill(value, turn)
        if function == "Fn::FindInMap":
            found: Any = self._document.get("Mappings", {})
            for key in filled[:3]:
                found = found.get(key) if isinstance(found, dict) and isinstance(key, str) else None
            return {function: filled} if found is None else found
        return {function: filled}  # of a Ref: to a name that a loop has put together

    def _substitute(self, value: Any, turn: Mapping[str, str]) -> Any:  # noqa: ANN401 - as above
        text, own = (value, {}) if isinstance(value, str) else (value[0], self._fill(value[1], turn))
        known = {key: each for key, each in own.items() if isinstance(each, str)}
        filled = self._text(text, {**turn, **known})
        return {"Fn::Sub": filled} if NAME.search(filled) else filled

    def _text(self, text: str, turn: Mapping[str, str]) -> str:
        def named(match: re.Match[str]) -> str:
            found = turn.get(match[1], self._values.get(match[1]))
            return found if isinstance(found, str) else match[0]

        return NAME.sub(named, text)

    def _holds(self, condition: Any) -> bool:  # noqa: ANN401 - a name or an expression
        if isinstance(condition, str):
            expression, turn = self._conditions[condition]
            return self._decide(expression, turn)
        return self._decide(condition, {})

    def _decide(self, expression: Mapping[str, Any], turn: Mapping[str, str]) -> bool:
        ((function, value),) = expression.items()
        if function == "Condition":
            return self._holds(value)
        if function == "Fn::Not":
            return not self._decide(value[0], turn)
        if function in {"Fn::And", "Fn::Or"}:
            decide = all if function == "Fn::And" else any
            return decide(self._decide(each, turn) for each in value)
        one, other = (self._fill(each, turn) for each in value)  # Fn::Equals is all that is left
        return bool(str(one) == str(other))


def values_of_the_door(
    account: Account, template: Template, values: Mapping[str, str], given: Collection[str]
) -> dict[str, str]:
    """What a REST API needs besides, and follows from the rest.

    Args:
        account: whose role for logs is looked for.
        template: the stack's.
        values: of its parameters, as they would be.
        given: what somebody has said, which stays.
    """
    if "ApiRevision" not in template.parameters or values.get("Door") != "rest":
        return {}
    allowed = values["AllowedCidrs"]
    # The policy and the methods of a REST API count from its next deployment on, which has this word in its name.
    shape = json.dumps([template.document, allowed], sort_keys=True)
    found = {"ApiRevision": hashlib.sha256(shape.encode()).hexdigest()[:16]}
    if values.get("WebAcl") == "true":
        networks = [ipaddress.ip_network(each.strip()) for each in allowed.split(",")]
        for version in (4, 6):
            found[f"WebAclCidrs{version}"] = ",".join(str(each) for each in networks if each.version == version)
    if values.get("ApiLogRole") != "true" and not account.client("apigateway").get_account().get("cloudwatchRoleArn"):
        found["ApiLogRole"] = "true"
    return {key: value for key, value in found.items() if key not in given}
