"""The CloudFormation templates as Python sees them, and as AWS does once their loops are unrolled.

`python -m testbed.aws_template FOLDER` writes the unrolled ones there, for tools that do not know loops.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from deploy.aws.commands.stack_templates import parsed
from testbed.servers import PROJECT

TEMPLATES: Final = PROJECT / "deploy/aws"


def names() -> list[str]:
    """Of all templates."""
    return sorted(path.stem for path in TEMPLATES.glob("*.yaml"))


def read_template(name: str) -> dict[str, Any]:
    """A template with the long forms of its functions, which are JSON.

    Args:
        name: Its file's, without the ending: "pipeline", say.
    """
    return parsed((TEMPLATES / f"{name}.yaml").read_text())


def parts(resources: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A template's resources as they are written: those of no loop, and those of each loop, loops in loops too."""
    yield resources
    for name, resource in list(resources.items()):
        if name.startswith("Fn::ForEach::"):
            yield from parts(resource[2])


def unrolled(template: dict[str, Any]) -> dict[str, Any]:
    """A template with each loop over resources unrolled, for the defaults of its parameters.

    Args:
        template: With the long forms of its functions.
    """
    defaults = {key: str(each.get("Default", "")) for key, each in template["Parameters"].items()}
    resources = _turns(template["Resources"], defaults)
    return {key: value for key, value in template.items() if key != "Transform"} | {"Resources": resources}


def _turns(part: Mapping[str, Any], defaults: Mapping[str, str]) -> dict[str, Any]:
    """Resources, and those of each loop's turns, whose loops may have loops in them."""
    resources: dict[str, Any] = {}
    for name, resource in part.items():
        if not name.startswith("Fn::ForEach::"):
            resources[name] = resource
            continue
        variable, values, body = resource
        if isinstance(values, dict):
            values = defaults[values["Ref"]].split(",")
        for value in [defaults[each["Ref"]] if isinstance(each, dict) else each for each in values]:
            resources |= _turns(_with(variable, value, body), defaults)
    return resources


def _with(variable: str, value: str, part: Any) -> Any:  # noqa: ANN401 - any part of a document
    """A part of the template with one turn's value of a loop's variable."""
    if isinstance(part, str):
        return part.replace(f"${{{variable}}}", value)
    if isinstance(part, list):
        return [_with(variable, value, each) for each in part]
    if not isinstance(part, dict):
        return part
    if part == {"Ref": variable}:
        return value
    filled = {_with(variable, value, key): _with(variable, value, each) for key, each in part.items()}
    plain = filled.get("Fn::Sub")
    return plain if isinstance(plain, str) and not re.search(r"\$\{", plain) else filled


def main(folder: Path) -> None:
    """Write all of them, unrolled."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names():
        (folder / f"{name}.json").write_text(json.dumps(unrolled(read_template(name)), indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
