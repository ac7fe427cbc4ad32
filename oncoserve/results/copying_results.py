"""Results from one place into another, whatever kind of place either is."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from oncoserve.errors import ResultNotFound
from oncoserve.results.result_store import ResultStore


@dataclass
class Copied:
    """What was done.

    Attributes:
        results: that were copied.
        there: that were there before, and left as they are.
        gone: that went while they were copied, or are damaged.
        other_secrets: owners whose pseudonyms will be others: the new place had a secret of its own.
    """

    results: int = 0
    there: int = 0
    gone: int = 0
    other_secrets: int = 0


def copy(source: ResultStore, target: ResultStore, tell: Callable[[Copied], None] = lambda _: None) -> Copied:
    """Copy the results of all owners; begun again, it goes on with what is not there yet.

    A copy is new where it comes to: it stays there as long as a result that was made just now.

    Args:
        source: is left as it is.
        target: keeps what it has.
        tell: hears after each result how far it is.

    Raises:
        StorageUnavailable
    """
    done = Copied()
    for owner in (None, *source.owners()):
        have, get = source.of(owner), target.of(owner)
        there = {*get.ids()}
        for result in have.ids():
            if result in there:
                done.there += 1
            elif _copy_one(result, have, get):
                done.results += 1
            else:
                done.gone += 1
            tell(done)
        if (secret := have.known_secret()) is not None:
            done.other_secrets += not get.adopt_secret(secret)
    return done


def _copy_one(result: str, source: ResultStore, target: ResultStore) -> bool:
    with contextlib.suppress(ResultNotFound):
        kept, files = source.read(result), source.files(result)
        target.save(result, kept.document, files)
        if (notes := kept.notes) is not None:
            target.add_notes(result, lambda before: before or notes)
        target.sync(result)
        return True
    return False
