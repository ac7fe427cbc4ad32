"""GET /v1/models, /v1/models/{model} and its versions: the card beside what the server really runs."""

from fastapi import APIRouter, Request

from frontend.http.links import MODELS, root_of
from frontend.http.shapes.model_shapes import ConfigurationShape, ModelShape, ModelsShape, TensorShape
from frontend.routes.answers import problems
from oncoserve.inference.backend import TensorSpec
from oncoserve.prediction.catalogue import Catalogue
from oncoserve.tasks.base import ServedModel


def router(catalogue: Catalogue) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(prefix=MODELS, tags=["models"])

    @routes.get("", summary="All models, and why some are not ready")
    async def list_models(request: Request) -> ModelsShape:
        snapshot, address = catalogue.snapshot, f"{root_of(request.scope)}{MODELS}"
        models = [_shape(catalogue, each, f"{address}/{name}") for name, each in snapshot.models.items()]
        return ModelsShape(models=models, not_ready=dict(snapshot.problems))

    @routes.get("/{model}", summary="A model's card and live configuration", responses=problems(404, 422, 503))
    async def read_model(model: str, request: Request) -> ModelShape:
        """Of its newest version; `versions` lists all that are served side by side."""
        served = catalogue.get(model)
        return _shape(catalogue, served, f"{root_of(request.scope)}{MODELS}/{served.name}")

    @routes.get("/{model}/versions/{version}", summary="The same of one version", responses=problems(404, 422, 503))
    async def read_version(model: str, version: str, request: Request) -> ModelShape:
        """Card and configuration are those of this version."""
        served = catalogue.get(model, version)
        address = f"{root_of(request.scope)}{MODELS}/{served.name}/versions/{served.version}"
        return _shape(catalogue, served, address)

    return routes


def _shape(catalogue: Catalogue, model: ServedModel, address: str) -> ModelShape:
    configuration = model.configuration
    return ModelShape(
        name=model.name,
        version=model.version,
        versions=list(catalogue.snapshot.versions[model.name]),
        model_sha256=model.model_sha256,
        precision=model.precision,
        card=model.card,
        configuration=ConfigurationShape(
            platform=configuration.platform,
            max_batch_size=configuration.max_batch_size,
            inputs=[_tensor(spec) for spec in configuration.inputs],
            outputs=[_tensor(spec) for spec in configuration.outputs],
        ),
        links={"self": address, "predict": f"{address}/predict"},
    )


def _tensor(spec: TensorSpec) -> TensorShape:
    return TensorShape(name=spec.name, dtype=spec.dtype.name, dims=list(spec.dims))
