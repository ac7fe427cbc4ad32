"""Pictures that the models are not for, through HTTP on the real Triton: no class, and the reason."""

import io
from html import unescape

import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image

from frontend.http.shapes.result_shapes import ClassificationResult, DelineationResult, LocalisationResult
from testbed.encoded_pictures import encoded
from testbed.servers import PROJECT

SHAPES = {
    "brain_mri": ClassificationResult,
    "brain_tumour": DelineationResult,
    "brain_tumour/versions/1": LocalisationResult,
}
SAMPLES = PROJECT / "build" / "samples"


def slice_():
    return Image.open(SAMPLES / "brain_mri/glioma/Te-gl_0010.jpg").convert("L")


def four_panels():
    figure, side = Image.new("L", (512, 512), 255), 250
    for place in range(4):
        figure.paste(slice_().resize((side, side)), (place % 2 * 256 + 3, place // 2 * 256 + 3))
    return figure


def contact_sheet():
    return Image.fromarray(np.tile(np.asarray(slice_().resize((160, 160))), (3, 4)))


def photograph():
    return Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))


PICTURES = {
    "black": (lambda: Image.new("RGB", (512, 512)), "blank_picture"),
    "white": (lambda: Image.new("RGB", (512, 512), "white"), "blank_picture"),
    "one pixel": (lambda: Image.new("L", (1, 1), 90), "picture_too_small"),
    "strip": (lambda: Image.effect_noise((5000, 1), 50), "picture_too_small"),
    "H&E": (lambda: Image.open(SAMPLES / "he_tissue/he/histo.jpg"), "not_grey"),
    "IHC": (lambda: Image.open(SAMPLES / "he_tissue/ihc/ihc.png"), "not_grey"),
    "screenshot": (lambda: Image.open(PROJECT / "docs/page.png"), "background_not_dark"),
    "inverted": (lambda: slice_().point(lambda value: 255 - value), "background_not_dark"),
    "noise": (lambda: Image.effect_noise((300, 300), 80), "background_not_dark"),
    "four panels": (four_panels, "several_panels"),
    "contact sheet": (contact_sheet, "several_panels"),
    "photograph": (photograph, "not_grey"),
    "mask": (lambda: slice_().point(lambda value: 255 * (value > 90)), "one_shade"),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_no_class_for_what_is_no_slice(http, kind):
    make, code = PICTURES[kind]
    picture = encoded(make())
    for model, shape in SHAPES.items():
        response = http.post(f"/v1/models/{model}/predict", content=picture)
        assert response.status_code == 200, response.text
        found = shape.model_validate(response.json())
        assert (found.label, found.probabilities, getattr(found, "localisation", None)) == (None, None, None)
        assert code in [each.code for each in found.warnings]
        if shape is not LocalisationResult:  # which has no `undetermined`
            assert found.undetermined.code == found.warnings[0].code
        drawn = http.get(found.links["overlay"])
        assert Image.open(io.BytesIO(drawn.content)).size == (found.image.width, found.image.height)


def face():
    """Before a black curtain."""
    down, across = np.mgrid[-1:1:300j, -1:1:300j]
    grey = np.asarray(photograph().convert("L").resize((300, 300)))
    return Image.fromarray((grey * ((across / 0.75) ** 2 + (down / 0.9) ** 2 < 1)).astype(np.uint8))


def coins():
    """Bright discs, close together, on a dark tray."""
    down, across = np.mgrid[:303, :384]
    radii = np.hypot(down % 50 - 25, (across + 32 * (down // 50 % 2)) % 64 - 32)
    tray = np.minimum(np.minimum(down, 302 - down), np.minimum(across, 383 - across)) > 30
    disc = (radii < 28) * tray * (150 + 40 * np.cos(radii / 4))
    return Image.fromarray((disc + 12).astype(np.uint8))


UNSEEN = {"face": face, "grey portrait": lambda: photograph().convert("L"), "coins": coins}
"""What no rule of plausibility sees."""


@pytest.mark.parametrize("model", ["brain_mri", "brain_tumour"])
@pytest.mark.parametrize("kind", UNSEEN)
def test_what_no_rule_sees_gets_no_class_and_a_reason(http, model, kind):
    picture = UNSEEN[kind]()
    found = SHAPES[model].model_validate(http.post(f"/v1/models/{model}/predict", content=encoded(picture)).json())
    assert (found.label, found.undetermined is not None) == (None, True)
    assert found.undetermined.text in unescape(http.get(f"/results/{found.id}").text)  # as reason or as warning
    drawn = http.get(found.links["overlay"])
    assert Image.open(io.BytesIO(drawn.content)).size == picture.size


def test_a_face_before_a_black_curtain_is_unlike_the_training_pictures(http):
    """No rule sees it: there is no warning."""
    found = ClassificationResult.model_validate(
        http.post("/v1/models/brain_mri/predict", content=encoded(face())).json()
    )
    assert (found.label, found.probabilities, found.warnings) == (None, None, [])
    limit = http.get("/v1/models/brain_mri").json()["card"]["resemblance"]["most_strangeness"]
    assert (found.undetermined.code, found.undetermined.limit) == ("unlike_training", limit)
    assert found.undetermined.value > limit
    assert "Undetermined" in http.get(f"/results/{found.id}").text


def test_the_page_of_a_result_says_that_there_is_no_answer(http):
    result = http.post("/v1/models/brain_tumour/predict", content=encoded(Image.new("L", (300, 200)))).json()
    page = http.get(f"/results/{result['id']}").text
    assert "No answer" in page
    assert "The picture is blank" in page
    assert "Probability of each class" not in page
    assert http.get(result["links"]["polygons"]).json()["features"] == []


def test_the_card_says_what_the_pictures_look_like(http):
    card = http.get("/v1/models/brain_mri").json()["card"]
    assert card["pictures"] == {"least_side_px": 64, "colour": "grey", "one_object_on_dark": True}
