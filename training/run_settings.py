"""What makes one training run what it is."""

from dataclasses import dataclass
from typing import Final

CLASSES: Final = ("glioma", "meningioma", "pituitary")
NONE: Final = -1
"""The class of a slice that shows no tumour: the mask learns from it, the class does not."""
FOLDS: Final = 5

SIDE: Final = 224
"""Pixels, both sides, of the picture that the served network sees; any picture is stretched to it."""
SOURCE_SIDE: Final = 256
"""Pixels, both sides, of the slices as they are kept."""
STRIDE: Final = 4
"""Pixels a side of a cell of the mask."""
CELLS: Final = SIDE // STRIDE
MASK_LIMIT: Final = 0.35
"""A pixel is the tumour's from this probability on, in the learning curves; what is served is fitted."""


@dataclass(frozen=True)
class Phase:
    """A stretch of training at one size.

    Attributes:
        side: pixels, both sides, of the pictures that the network sees.
        source_side: pixels, both sides, of the slices that they are cut from.
        epochs: how often each slice is seen, on average.
    """

    side: int
    source_side: int
    epochs: int


@dataclass(frozen=True)
class RunSettings:
    """One run; training/README.md says how long the defaults take.

    Attributes:
        seed: of the weights at the start, the order of pictures and their augmentation.
        phases: from small to large: most is learnt where a step is cheap.
        batch_size: slices a step; outliers come on top.
        foreign: share of a batch that is slices without a tumour from the other source.
        erased: share of the tumours of a batch that are filled, so that the slice has none.
        decoys: share that are filled elsewhere in the same way, so that filling is no sign of anything.
        copies: share whose tumour is pasted to the other side as well.
        outliers: share of the batch size that is added as pictures that are no brain.
        learning_rate: of AdamW at its highest, after the warm-up; it then falls to zero as a cosine.
        weight_decay: of AdamW, on the kernels only.
        average_decay: share of the running mean of the weights that stays at each step.
        label_smoothing: share of a class label that is spread over all classes.
        drop_path: probability that the deepest residual block is left out for a picture; shallower ones less.
        reference: augmented slices whose features say what is typical.
        leave_out: names of kinds of augmentation that are held back, to see what each buys.
    """

    seed: int = 1
    phases: tuple[Phase, ...] = (Phase(128, 160, 75), Phase(192, 224, 16))
    batch_size: int = 32
    foreign: float = 0.2
    erased: float = 0.25
    decoys: float = 0.25
    copies: float = 0.1
    outliers: float = 0.1
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    average_decay: float = 0.998
    label_smoothing: float = 0.05
    drop_path: float = 0.1
    reference: int = 1500
    leave_out: tuple[str, ...] = ()

    @property
    def epochs(self) -> int:
        """Of all phases."""
        return sum(phase.epochs for phase in self.phases)
