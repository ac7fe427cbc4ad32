"""What makes one training run what it is."""

from dataclasses import dataclass
from typing import Final

CLASSES: Final = ("glioma", "meningioma", "notumor", "pituitary")
NO_TUMOUR: Final = CLASSES.index("notumor")
TUMOURS: Final = tuple(index for index in range(len(CLASSES)) if index != NO_TUMOUR)

SIDE: Final = 224
"""Pixels, both sides, of the picture that the network sees; any picture is stretched to it."""
SOURCE_SIDE: Final = 256
"""Pixels, both sides, of the pictures that augmentation cuts from: theirs, so that enlarging them keeps detail."""
STRIDE: Final = 8
"""Pixels a side of a cell of the heatmap."""
CELLS: Final = SIDE // STRIDE


@dataclass(frozen=True)
class RunSettings:
    """One run. The defaults made the figures of docs/brain_tumour.md; the shipped weights saw more slices, 261 times.

    Attributes:
        seed: of the weights at the start, the order of pictures and their augmentation.
        epochs: how often each training picture is seen, on average.
        batch_size: pictures a step.
        learning_rate: of AdamW at its highest, after the warm-up; it then falls to zero as a cosine.
        weight_decay: of AdamW, on the kernels only.
        average_decay: share of the running mean of the weights that stays at each step.
        label_smoothing: share of a class label that is spread over all classes.
        drop_path: probability that the deepest residual block is left out for a picture; shallower ones less.
        width: factor on the channels.
    """

    seed: int = 20
    epochs: int = 380
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    average_decay: float = 0.996
    label_smoothing: float = 0.05
    drop_path: float = 0.2
    width: float = 1.5
