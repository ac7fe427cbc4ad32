"""Prints the schemas of KEDA's and KServe's objects, of the packages that publish them; run in their own environment.

A field that a schema does not know is refused here, as `kubectl apply` refuses it. schemas.lock has
cloudcoil-models-keda with what it needs, and kserve without.
"""

import importlib.util
import json
import re
import sys
import types
from typing import Any

PLAIN = {"str": "string", "int": "integer", "bool": "boolean", "float": "number"}


def keda() -> dict[str, Any]:
    """ScaledObject and TriggerAuthentication, made by others from KEDA's own definitions."""
    from cloudcoil.models.keda import v1alpha1  # noqa: PLC0415 - its import takes a while

    kinds = ("ScaledObject", "TriggerAuthentication")
    return {f"keda.sh/v1alpha1 {kind}": closed(getattr(v1alpha1, kind).model_json_schema()) for kind in kinds}


def closed(schema: Any) -> Any:
    """The same, where objects whose fields are known have no others."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(inner) for name, inner in schema.items()}
    return {"additionalProperties": False, **found} if "properties" in found else found


def kserve() -> dict[str, Any]:
    """ServingRuntime and InferenceService, of KServe's own package. What is Kubernetes' own may be anything here."""
    package = types.ModuleType("kserve")  # the package itself would import a server with all that it needs
    found = importlib.util.find_spec("kserve")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["kserve"] = package
    from kserve import models  # noqa: PLC0415 - the line above is for it

    names = [name for name in dir(models) if hasattr(getattr(models, name), "openapi_types")]
    definitions = {name: of_class(getattr(models, name), names) for name in names}
    kinds = {"v1alpha1 ServingRuntime": "V1alpha1ServingRuntime", "v1beta1 InferenceService": "V1beta1InferenceService"}
    return {
        f"serving.kserve.io/{kind}": {"$ref": f"#/$defs/{name}", "$defs": definitions} for kind, name in kinds.items()
    }


def of_class(model: Any, known: list[str]) -> dict[str, Any]:
    fields = {model.attribute_map[name]: of_type(kind, known) for name, kind in model.openapi_types.items()}
    return {"type": "object", "additionalProperties": False, "properties": fields}


def of_type(kind: str, known: list[str]) -> dict[str, Any]:
    if inner := re.fullmatch(r"list\[(.*)\]", kind):
        return {"type": "array", "items": of_type(inner[1], known)}
    if inner := re.fullmatch(r"dict\(str, (.*)\)", kind):
        return {"type": "object", "additionalProperties": of_type(inner[1], known)}
    if kind in PLAIN:
        return {"type": PLAIN[kind]}
    return {"$ref": f"#/$defs/{kind}"} if kind in known else {}


if __name__ == "__main__":
    json.dump({**keda(), **kserve()}, sys.stdout)
