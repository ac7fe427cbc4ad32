"""The CloudFormation templates as Python sees them."""

from typing import Any, Final

import yaml

from testbed.servers import PROJECT

TEMPLATES: Final = PROJECT / "deploy/aws"


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


def read_template(name: str) -> dict[str, Any]:
    """A template with the long forms of its functions, which are JSON.

    Args:
        name: Its file's, without the ending: "pipeline", say.
    """
    template: dict[str, Any] = yaml.load((TEMPLATES / f"{name}.yaml").read_text(), _Loader)  # noqa: S506 - a SafeLoader
    return template
