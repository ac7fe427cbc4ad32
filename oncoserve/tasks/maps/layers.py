"""The maps of a result as a layer whose colours the viewer adds, so that its controls need no request."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oncoserve.tasks.base import Layer, Stored
from oncoserve.tasks.card import Card
from oncoserve.tasks.maps.labels import BACKGROUND, MOST_RANKED, Rule
from oncoserve.tasks.maps.stored_maps import maps_of
from oncoserve.tasks.tissue.glass import GLASS, WHITE


def layer_of(card: Card) -> Layer:
    """The layer of this model's results."""
    return (
        Layer("classes", _ranked, _legend)
        if Rule.of(card).kind == "ranked"
        else Layer("strongest", _strongest, _legend)
    )


def _ranked(stored: Stored) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 on the model grid, a channel a class, so that the first over a threshold is what `Rule` says."""
    maps, rule = maps_of(stored), Rule.of(stored.card)
    beside = [maps.probabilities[..., channel] for channel, number in enumerate(rule.channels) if number == BACKGROUND]
    strengths = np.zeros((*maps.probabilities.shape[:2], MOST_RANKED), np.uint8)
    for channel, number in enumerate(rule.channels):
        if number != BACKGROUND:
            found = maps.probabilities[..., channel]
            over = np.all([found > each for each in beside], axis=0) if beside else True
            strengths[..., number - 1] = np.where(over, found, np.uint8(0))
    if rule.rest:
        strengths[..., rule.rest - 1] = 255 if maps.regions is None else np.where(maps.regions == WHITE, 0, 255)
    if maps.regions is not None:
        strengths[maps.regions == GLASS] = 0
    return strengths


def _strongest(stored: Stored) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 on the model grid: the number of the strongest channel's class, its strength, and `rest`."""
    maps, rule = maps_of(stored), Rule.of(stored.card)
    best = maps.probabilities.argmax(axis=2)
    strength = np.take_along_axis(maps.probabilities, best[..., np.newaxis], 2)[..., 0]
    found = np.dstack([np.array(rule.channels, np.uint8)[best], strength, np.full_like(strength, rule.rest)])
    if maps.regions is not None:
        found[..., 2][maps.regions == WHITE] = BACKGROUND
        found[maps.regions == GLASS] = BACKGROUND
    return found


def _legend(card: Card) -> dict[str, Any]:
    classes = [{"name": each.name, "title": each.title, "colour": each.colour} for each in card.classes]
    return {"classes": classes, "threshold": Rule.of(card).threshold}
