"""Objects: the 4-connected regions of each class, with names that a person can refer to, and labels without some."""

from collections.abc import Collection, Mapping

import numpy as np

from oncoserve.tasks.maps.labels import Labels
from oncoserve.tasks.regions.components import components
from oncoserve.tasks.regions.grids import object_id


def object_ids(labels: Labels, numbers: Mapping[str, int]) -> set[str]:
    """The ids of all objects.

    Args:
        labels: on the object grid.
        numbers: of the classes, by name.
    """
    return {
        object_id(name, index)
        for name, number in numbers.items()
        for index in range(components(labels.mask(number)).count)
    }


def without(labels: Labels, numbers: Mapping[str, int], excluded: Collection[str]) -> Labels:
    """The labels without the excluded objects: these are of no class, so that they count as nothing.

    Args:
        labels: on the object grid.
        numbers: of the classes, by name.
        excluded: ids; unknown ones are ignored.
    """
    for name, number in numbers.items():
        if any(each.startswith(f"{name}-") for each in excluded):
            found = components(labels.mask(number))
            out = np.array([object_id(name, index) in excluded for index in range(found.count)], np.bool_)
            labels = labels.without(number, found.mask(out))
    return labels
