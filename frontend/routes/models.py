"""GET /v1/models and /v1/models/{model}: the card beside what the server really runs."""

from fastapi import APIRouter

from frontend.backend import TensorSpec
from frontend.catalogue import Catalogue
from frontend.routes.answers import problems
from frontend.schemas import ConfigurationShape, ModelShape, ModelsShape, TensorShape
from frontend.tasks.base import ServedModel


def router(catalogue: Catalogue) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(prefix="/v1/models", tags=["models"])

    @routes.get("", summary="All models, and why some are not ready")
    async def list_models() -> ModelsShape:
        snapshot = catalogue.snapshot
        return ModelsShape(
            models=[_shape(each) for each in snapshot.models.values()], not_ready=dict(snapshot.problems)
        )

    @routes.get("/{model}", summary="A model's card and live configuration", responses=problems(404, 422, 503))
    async def read_model(model: str) -> ModelShape:
        return _shape(catalogue.get(model))

    return routes


def _shape(model: ServedModel) -> ModelShape:
    configuration = model.configuration
    return ModelShape(
        name=model.name,
        version=model.version,
        model_sha256=model.model_sha256,
        precision=model.precision,
        card=model.card,
        configuration=ConfigurationShape(
            platform=configuration.platform,
            max_batch_size=configuration.max_batch_size,
            inputs=[_tensor(spec) for spec in configuration.inputs],
            outputs=[_tensor(spec) for spec in configuration.outputs],
        ),
        links={"self": f"/v1/models/{model.name}", "predict": f"/v1/models/{model.name}/predict"},
    )


def _tensor(spec: TensorSpec) -> TensorShape:
    return TensorShape(name=spec.name, dtype=spec.dtype.name, dims=list(spec.dims))
