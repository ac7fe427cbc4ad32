"""Pictures that no model can answer about, and those that a model for one object on a dark background cannot."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from oncoserve.pictures.decode import decode
from oncoserve.pictures.picture import Picture
from oncoserve.tasks.card import Pictures
from oncoserve.tasks.plausibility import doubts
from testbed.encoded_pictures import encoded, noise, quarters
from testbed.servers import PROJECT

CARD = json.loads((PROJECT / "model_repository/brain_mri/card.json").read_bytes())
SLICES = Pictures.model_validate(CARD["pictures"])
ANY = Pictures()


def codes(image, expected=SLICES):
    return [each.code for each in doubts(Picture(image.convert("RGB"), "PNG"), expected)]


def head(size=(224, 224), brightness=150):
    """What a slice comes down to: one textured object in the middle of a dark picture."""
    image = Image.new("L", size)
    width, height = size
    ImageDraw.Draw(image).ellipse((width * 0.15, height * 0.1, width * 0.85, height * 0.92), fill=brightness)
    speckle = np.asarray(noise(size).convert("L")).astype(float) / 255
    return Image.fromarray((np.asarray(image) * (0.6 + 0.4 * speckle)).astype(np.uint8))


def flat(colour, size=(224, 224)):
    return Image.new("RGB", size, colour)


def sensor(level, spread=3):
    """A flat picture as a camera sees it."""
    noisy = np.random.default_rng(0).normal(level, spread, (300, 400)).clip(0, 255)
    return Image.fromarray(noisy.astype(np.uint8))


def panels(rows, columns, gap=0, colour=0, panel=None):
    """A figure of several slices."""
    panel = panel or head()
    side = panel.width + gap
    figure = Image.new("L", (columns * side - gap, rows * side - gap), colour)
    for place in range(rows * columns):
        figure.paste(panel, (place % columns * side, place // columns * side))
    return figure


@pytest.mark.parametrize("brightness", [255, 150, 70])
def test_a_slice_is_plausible(brightness):
    assert codes(head(brightness=brightness)) == []


@pytest.mark.parametrize("expected", [ANY, SLICES], ids=["any", "slices"])
@pytest.mark.parametrize(
    "image",
    [flat("black"), flat("white"), flat("#808080"), flat("red"), flat("#0a0a0a"), sensor(4), sensor(245)],
    ids=["black", "white", "grey", "red", "nearly black", "dark camera", "bright camera"],
)
def test_a_picture_of_one_shade_is_blank_for_every_model(image, expected):
    assert codes(image, expected) == ["blank_picture"]


@pytest.mark.parametrize("row", [0, 100, 223])
def test_a_picture_is_not_blank_wherever_something_is_to_be_seen(row):
    image = flat("grey")
    image.paste("white", (40, max(0, row - 40), 200, min(224, row + 40)))
    assert codes(image, ANY) == []


@pytest.mark.parametrize(("step", "found"), [(12, ["blank_picture"]), (13, []), (30, [])])
@pytest.mark.parametrize("top", [9, 112])
def test_how_much_of_a_spot_is_to_be_seen(step, found, top):
    image = flat((100, 100, 100))
    image.paste((100, 100 + step, 100), (9, top, 21, top + 12))
    assert codes(image, ANY) == found


def test_a_black_jpeg_and_one_with_a_lit_pixel_are_blank():
    black = flat("black", (640, 480))
    black.putpixel((100, 100), (255, 255, 255))
    assert codes(black) == ["blank_picture"]
    assert codes(decode(encoded(flat("black"), "JPEG", quality=30), 10**6, "#000000").image()) == ["blank_picture"]


@pytest.mark.parametrize(
    ("size", "expected", "found"),
    [
        ((1, 1), ANY, True), ((2, 2), ANY, True), ((1, 5000), ANY, True), ((5000, 1), ANY, True), ((7, 100), ANY, True),
        ((8, 8), ANY, False), ((63, 200), SLICES, True), ((200, 63), SLICES, True), ((64, 64), SLICES, False),
    ],
)  # fmt: skip
def test_too_few_pixels_along_a_side(size, expected, found):
    assert (codes(head(size), expected) == ["picture_too_small"]) is found


def test_the_message_names_the_size_and_the_limit():
    (only,) = doubts(Picture(noise((30, 400)), "PNG"), SLICES)
    assert "30 x 400" in only.message
    assert "64" in only.message


@pytest.mark.parametrize(("share", "found"), [(0.03, False), (0.08, True)])
def test_marks_in_colour_are_let_pass_up_to_a_share(share, found):
    image = head().convert("RGB")
    side = round(224 * share**0.5)
    ImageDraw.Draw(image).rectangle((90, 90, 89 + side, 89 + side), fill="red")
    assert (codes(image) == ["not_grey"]) is found


@pytest.mark.parametrize(("difference", "found"), [(20, False), (28, True)])
def test_how_far_apart_channels_have_to_be_for_a_colour(difference, found):
    grey = head((448, 448), 200)  # most of its cells are bright enough to hold the difference
    tinted = Image.merge("RGB", (grey, grey, grey.point(lambda value: max(0, value - difference))))
    assert (codes(tinted) == ["not_grey"]) is found


def test_a_slight_cast_is_grey_and_every_colour_is_allowed_where_the_card_says_so():
    red, green, blue = head().convert("RGB").split()
    assert codes(Image.merge("RGB", (red, green, blue.point(lambda value: int(value * 0.9))))) == []
    jpeg = decode(encoded(head().convert("RGB"), "JPEG", quality=60), 10**6, "#000000")
    assert doubts(jpeg, SLICES) == ()
    assert "not_grey" in codes(quarters((224, 224)))
    assert codes(quarters((224, 224)), ANY) == []


def test_a_border_that_is_not_dark():
    assert codes(head().point(lambda value: 255 - value)) == ["background_not_dark"]
    assert codes(noise((224, 224)).convert("L")) == ["background_not_dark"]
    assert "background_not_dark" in codes(head().crop((70, 70, 160, 160)))  # cut out of the middle


@pytest.mark.parametrize("frame", [False, True])
@pytest.mark.parametrize(("gap", "colour"), [(0, 0), (2, 255), (12, 255), (12, 0)])
@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (1, 2), (3, 1), (4, 5)])
def test_a_figure_of_several_panels(rows, columns, gap, colour, frame):
    panel = head()
    if frame:
        ImageDraw.Draw(panel).rectangle((0, 0, 223, 223), outline=60)
    assert "several_panels" in codes(panels(rows, columns, gap, colour, panel))


@pytest.mark.parametrize("gap", [6, 12])
def test_a_frame_around_a_figure_hides_no_panels(gap):
    """It is bright in the first and the last segment of every line between two panels."""
    figure = panels(2, 2, gap)
    ImageDraw.Draw(figure).rectangle((0, 0, figure.width - 1, figure.height - 1), outline=255, width=3)
    assert codes(figure) == ["several_panels"]


@pytest.mark.parametrize("turned", [False, True])
def test_what_is_joined_by_a_fifth_of_its_width_is_one_object(turned):
    image = head()
    gap, stem = (0, 105, 224, 118), (90, 105, 134, 118)
    joint = image.crop(stem)
    image.paste(0, gap)
    image.paste(joint, stem[:2])
    assert codes(image.transpose(Image.Transpose.ROTATE_90) if turned else image) == []


@pytest.mark.parametrize(("side", "found"), [(100, True), (60, False)])
def test_panels_of_different_size(side, found):
    figure = Image.new("L", (224 + side, 224))
    figure.paste(head())
    figure.paste(head((side, side)), (224, 0))
    figure.paste(head((side, side)), (224, side + 4))
    assert (codes(figure) == ["several_panels"]) is found


@pytest.mark.parametrize(("size", "found"), [((450, 450), False), ((600, 600), True), ((600, 224), True)])
def test_a_margin_that_leaves_the_object_less_than_a_third(size, found):
    picture = Image.new("L", size)
    picture.paste(head(), ((size[0] - 224) // 2, (size[1] - 224) // 2))
    ImageDraw.Draw(picture).text((4, 2), "SE 4 IM 12", fill=255)
    assert ("object_too_small" in codes(picture)) is found


def test_a_mask_has_one_shade():
    mask = head().point(lambda value: 255 * (value > 40))
    assert codes(mask) == ["one_shade"]
    jpeg = decode(encoded(mask, "JPEG", quality=80), 10**6, "#000000")
    assert [each.code for each in doubts(jpeg, SLICES)] == ["one_shade"]
    assert codes(mask, ANY) == []


def test_letters_and_scales_beside_a_slice_are_no_panels():
    image = head((400, 300))
    draw = ImageDraw.Draw(image)
    draw.text((4, 2), "SE 4 IM 12", fill=255)
    draw.text((4, 286), "R 5 mm", fill=255)
    draw.rectangle((390, 60, 394, 240), fill=200)
    assert codes(image) == []


def test_next_to_nothing_in_the_middle():
    sky = Image.new("L", (400, 400))
    for x, y in np.random.default_rng(0).integers(10, 390, (60, 2)):
        ImageDraw.Draw(sky).ellipse((x, y, x + 5, y + 5), fill=255)
    assert "middle_empty" in codes(sky)


def test_the_rules_do_not_depend_on_the_size():
    for size in ((100, 80), (1000, 800), (3001, 2399)):
        assert codes(head(size)) == []
        assert codes(head(size).point(lambda value: 255 - value)) == ["background_not_dark"]


def test_the_samples():
    folders = PROJECT / "build/samples"
    paths = [*folders.glob("brain_mri/*/*.*g"), *folders.glob("he_tissue/*/*.*g")]
    assert len(paths) == 21  # as docs/samples.md lists them
    for path in paths:
        image = Image.open(path)
        found = [] if "brain_mri" in path.parts else ["background_not_dark", "not_grey"]
        assert (codes(image), codes(image, ANY)) == (found, []), path
