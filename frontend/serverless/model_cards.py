"""GET /v1/models and /v1/models/{model} where no Triton is at hand: the cards alone."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from frontend.http.links import JOBS, MODELS
from frontend.routes.answers import problems
from oncoserve.errors import ModelNotFound
from oncoserve.tasks.card import Card


def router(cards: Mapping[str, Card]) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(prefix=MODELS, tags=["models"])

    @routes.get("", summary="All models")
    async def list_models() -> dict[str, list[dict[str, Any]]]:
        return {"models": [_document(card) for card in cards.values()]}

    @routes.get("/{model}", summary="A model's card", responses=problems(404))
    async def read_model(model: str) -> dict[str, Any]:
        if model not in cards:
            raise ModelNotFound(model, cards)
        return _document(cards[model])

    return routes


def _document(card: Card) -> dict[str, Any]:
    return {
        "name": card.name,
        "card": card.model_dump(mode="json"),
        "links": {"self": f"{MODELS}/{card.name}", "jobs": JOBS},
    }
