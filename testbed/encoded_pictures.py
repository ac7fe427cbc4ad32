"""Pictures of every kind that a caller may send, made by the real encoders."""

import io

import numpy as np
from PIL import Image, ImageDraw

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """An RGB picture whose quarters are red, green / blue, white: every turn and mirror shows.

    Args:
        size: Width and height in pixels.
    """
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    pixels[height // 2 :, width // 2 :] = WHITE
    return Image.fromarray(pixels)


def noise(size: tuple[int, int] = (64, 48), seed: int = 0) -> Image.Image:
    """An RGB picture of random pixels; another seed makes another picture.

    Args:
        size: Width and height in pixels.
        seed: Decides the pixels.
    """
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def scan(size: tuple[int, int] = (96, 80), seed: int = 0) -> Image.Image:
    """A grey picture that passes for a slice: noise in an ellipse on black; another seed makes another picture.

    Args:
        size: Width and height in pixels.
        seed: Decides the noise.
    """
    picture = Image.new("L", size)
    inside = Image.new("L", size)
    ImageDraw.Draw(inside).ellipse((0.15 * size[0], 0.1 * size[1], 0.85 * size[0], 0.9 * size[1]), fill=255)
    picture.paste(noise(size, seed).convert("L"), mask=inside)
    return picture


def bright(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A picture that is white on the left and nearly so on the right: not blank, and brighter than any other.

    Args:
        size: Width and height in pixels.
    """
    picture = Image.new("RGB", size, WHITE)
    picture.paste((220, 220, 220), (size[0] // 2, 0, *size))
    return picture


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """A file of a picture.

    Args:
        image: The picture.
        kind: The format by Pillow's name, such as "JPEG".
        options: Of Pillow's encoder.
    """
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
