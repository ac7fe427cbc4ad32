"""What a run has done, in counts: nothing of them names a patient."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts.

    Attributes:
        studies: looked at.
        images: instances that are images.
        before: of them, those whose outputs the PACS had already.
        waiting: of them, those that a dry run or a limit left out.
        asked: predictions, one for each frame.
        stored: objects that the PACS took.
        there: objects that it had.
        nothing: outputs that a result has none of, such as a segmentation of nothing.
        refused: images that the service did not take, by its code.
        lost: images that could not be fetched, or whose outputs were not taken, by the reason: tried again later.
    """

    studies: int = 0
    images: int = 0
    before: int = 0
    waiting: int = 0
    asked: int = 0
    stored: int = 0
    there: int = 0
    nothing: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Count what another one has."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if isinstance(mine, Counter):
                mine.update(value)
            else:
                setattr(self, name, mine + value)

    @property
    def failures(self) -> int:
        """Images that did not come to their end."""
        return self.refused.total() + self.lost.total()

    def words(self) -> str:
        """In a sentence."""
        seen = _count(self.images, "image", "images")
        if self.studies or not self.images:  # nobody counts those of images that are sent to us
            seen = f"{_count(self.studies, 'study', 'studies')}, {seen}"
        parts = [
            seen,
            f"{self.asked} asked about, {self.before} done before",
            f"{self.stored} stored, {self.there} already there",
        ]
        if self.waiting:
            parts.append(f"{self.waiting} left to ask about")
        if self.nothing:
            parts.append(f"{self.nothing} with nothing to store")
        for what, counts in (("refused by the service", self.refused), ("to be tried again", self.lost)):
            if counts:
                reasons = ", ".join(f"{count} x {reason}" for reason, count in counts.most_common())
                parts.append(f"{counts.total()} {what} ({reasons})")
        return "; ".join(parts) + "."


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"
