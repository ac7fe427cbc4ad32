"""Small networks of PyTorch's libraries, exported as docs/your_model.md says, and PyTorch's own answers beside them.

`python tests/exported/export_networks.py FOLDER [NAME ...]` runs where tests/exported/requirements.txt is installed, as
the project itself has no PyTorch. FOLDER/NAME/ gets `model.onnx` and what belongs beside it, `pictures/`, and in
`answers.npz`, by picture, what PyTorch gives for it, prepared as that library's users do it.

Weights are random, of a fixed seed. So that answers tell pictures apart, as those of a trained network do, each network
gets statistics of the pictures, and a last layer whose outputs are spread over them.
"""

import contextlib
import itertools
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import monai
import numpy as np
import segmentation_models_pytorch
import timm
import torch
import torchvision
from PIL import Image
from torchvision.transforms import v2

Pictures = Sequence[Image.Image]
Answers = list[dict[str, np.ndarray]]
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
SIDE = 256
"""Of the segmenters."""
YOLO_SIDE, YOLO_CLASSES, YOLO_GREY = 320, 3, 114
RARE = 4.0
"""How far below an even chance the scores of detectors are, in logits: most places show nothing."""


PATCHES = {
    "spec_version": "1.0",
    "architecture": "resnet18",
    "num_classes": 2,
    "class_names": ["Other", "Tumor"],
    "name": "Patches of nobody",
    "patch_size_pixels": 350,
    "spacing_um_px": 0.25,
    "transform": [
        {"name": "Resize", "arguments": {"size": 224}},
        {"name": "ToTensor"},
        {"name": "Normalize", "arguments": {"mean": [0.7238, 0.5716, 0.6779], "std": [0.112, 0.1459, 0.1089]}},
    ],
}
"""A config.json as WSInfer has it."""
TENSOR = {"type": "image", "spatial_shape": [224, 256], "dtype": "float32", "is_patch_data": False}
TAKEN = {"format": "magnitude", "modality": "n/a", "num_channels": 3, "value_range": [-1, 1]}
GIVEN = {"format": "segmentation", "num_channels": 2, "value_range": [0, 1]}
BUNDLE = {
    "name": "A bundle of nobody",
    "version": "0.1.0",
    "intended_use": "An example",
    "network_data_format": {
        "inputs": {"image": TENSOR | TAKEN | {"channel_def": {"0": "R", "1": "G", "2": "B"}}},
        "outputs": {"pred": TENSOR | GIVEN | {"channel_def": {"0": "background", "1": "tool"}}},
    },
}
"""A metadata.json as MONAI has it."""
BUNDLE_NETWORK = {
    "network_def": {
        "_target_": "UNet",
        "spatial_dims": 2,
        "in_channels": 3,
        "out_channels": 2,
        "channels": [8, 16, 32],
        "strides": [2, 2],
        "norm": "batch",
    }
}


def drawn(seed: int, width: int, height: int) -> Image.Image:
    """A picture with large and small structures, none of which a hair's breadth changes: waves and soft discs."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / min(width, height)
    planes = []
    for _ in range(3):
        x, y = rng.normal(size=2) * 6
        planes.append(90 + 60 * np.sin(x * columns + y * rows + rng.uniform(0, 6)))
    pixels = np.stack(planes, axis=2)
    for _ in range(12):
        middle, radius = rng.uniform(0, (width, height)) / min(width, height), rng.uniform(0.04, 0.2)
        inside = 1 / (1 + np.exp((np.hypot(columns - middle[0], rows - middle[1]) - radius) * 80))
        pixels += inside[..., np.newaxis] * rng.uniform(-120, 160, 3)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def drawings(*sizes: tuple[int, int]) -> Pictures:
    """Pictures of these sizes (width, height), each another one."""
    return [drawn(number, *size) for number, size in enumerate(sizes)]


@torch.no_grad()
def as_if_trained(
    network: torch.nn.Module, last: Sequence[torch.nn.Module], ask: Callable[[], object], spread: float = 2.0
) -> None:
    """Give a network statistics of pictures, and its last layers outputs around 0.

    Args:
        network: It; in evaluation afterwards.
        last: Its last layers with weights, linear or convolutions.
        ask: Computes the network on the pictures.
        spread: The standard deviation of each output.
    """
    network.eval()
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.train()
            module.momentum = None  # the mean over all that it sees
    ask()
    network.eval()
    for layer in last:
        seen = []
        hook = layer.register_forward_hook(lambda *call, seen=seen: seen.append(call[2]))
        ask()
        hook.remove()
        values = torch.cat([each.transpose(0, 1).flatten(1) if each.ndim > 2 else each.T for each in seen], dim=1)
        scale = spread / values.std(dim=1)
        turned = isinstance(layer, torch.nn.ConvTranspose2d)
        shape = [-1 if axis == turned else 1 for axis in range(layer.weight.ndim)]
        layer.weight.mul_(scale.reshape(shape))
        layer.bias.sub_(values.mean(dim=1)).mul_(scale)


@torch.no_grad()
def classified(network: torch.nn.Module, prepare: Callable[[Image.Image], torch.Tensor], pictures: Pictures) -> Answers:
    """What a classifier answers."""
    return [{"probabilities": network(prepare(each)[None])[0].softmax(0).numpy()} for each in pictures]


def timm_vit() -> tuple[Pictures, Answers]:
    """A classifier of timm: bicubic, the middle of what covers 248 pixels, its own mean and deviation."""
    network = timm.create_model("vit_tiny_patch16_224", num_classes=4)
    prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    pictures = drawings((248, 248), (248, 310), (400, 300), (512, 496), (200, 333))
    batch = torch.stack([prepare(each) for each in pictures])
    as_if_trained(network, [network.head], lambda: network(batch))
    torch.onnx.export(network, (torch.zeros(2, 3, 224, 224),), "model.onnx", dynamic_shapes=({0: "batch"},))
    return pictures, classified(network, prepare, pictures)


def torchvision_mobilenet() -> tuple[Pictures, Answers]:
    """A classifier of torchvision, exported with nothing but the defaults: for one picture."""
    network = torchvision.models.mobilenet_v3_small(weights=None, num_classes=3)
    prepare = torchvision.models.MobileNet_V3_Small_Weights.DEFAULT.transforms()
    pictures = drawings((256, 256), (320, 256), (400, 300), (512, 640), (100, 90))
    batch = torch.stack([prepare(each) for each in pictures])
    as_if_trained(network, [network.classifier[-1]], lambda: network(batch))
    torch.onnx.export(network, (torch.zeros(1, 3, 224, 224),), "model.onnx")
    return pictures, classified(network, prepare, pictures)


def stretched(side: int, resize: Image.Resampling, **normal: Sequence[float]) -> v2.Compose:
    """A picture of any size as a square, 0 to 1, or normalised."""
    steps = [v2.Lambda(lambda each: each.resize((side, side), resize)), v2.PILToTensor()]
    steps.append(v2.ToDtype(torch.float32, scale=True))
    return v2.Compose([*steps, v2.Normalize(**normal)] if normal else steps)


def smp_unet() -> tuple[Pictures, Answers]:
    """A segmenter of one class of segmentation_models_pytorch: logits of one channel."""
    network = segmentation_models_pytorch.Unet("resnet18", encoder_weights=None, classes=1)
    # As segmentation_models_pytorch.encoders.get_preprocessing_fn("resnet18") has it, which asks a server for it.
    prepare = stretched(SIDE, Image.Resampling.BILINEAR, **IMAGENET)
    pictures = drawings((SIDE, SIDE), (SIDE, SIDE), (400, 300))
    batch = torch.stack([prepare(each) for each in pictures])
    as_if_trained(network, [network.segmentation_head[0]], lambda: network(batch))
    torch.onnx.export(network, (torch.zeros(2, 3, 256, 256),), "model.onnx", dynamic_shapes=({0: "batch"},))
    with torch.no_grad():
        return pictures, [{"maps": each.numpy()} for each in network(batch).sigmoid()]


def monai_unet() -> tuple[Pictures, Answers]:
    """A segmenter of MONAI: logits of three channels, the first of which is background."""
    network = monai.networks.nets.UNet(2, 3, 3, channels=(8, 16, 32), strides=(2, 2), num_res_units=1, bias=True)
    prepare = monai.transforms.Compose(
        [
            monai.transforms.LoadImage(reader="PILReader", image_only=True, reverse_indexing=False),
            monai.transforms.EnsureChannelFirst(),
            monai.transforms.ScaleIntensityRange(0, 255, 0, 1),
        ]
    )
    pictures = drawings((SIDE, SIDE), (SIDE, SIDE))
    for number, each in enumerate(pictures):
        each.save(f"pictures/{number}.png")
    batch = torch.stack([prepare(each).as_tensor() for each in sorted(Path("pictures").iterdir())])
    last = [each for each in network.modules() if isinstance(each, torch.nn.Conv2d)][-1]
    as_if_trained(network, [last], lambda: network(batch))
    torch.onnx.export(network, (torch.zeros(2, 3, 256, 256),), "model.onnx", dynamic_shapes=({0: "batch"},))
    with torch.no_grad():
        return pictures, [{"maps": each.numpy()} for each in network(batch).softmax(1)]


class OneLook(torch.nn.Module):
    """A detector with the output of YOLOv8's family: [N, 4 + classes, M], centre, size and scores of M places."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 8, 16, 24, 32)
        steps = []
        for taken, given in itertools.pairwise(widths):
            steps += [torch.nn.Conv2d(taken, given, 3, 2, 1), torch.nn.BatchNorm2d(given), torch.nn.SiLU()]
        self.body = torch.nn.Sequential(*steps)
        self.sides = torch.nn.Conv2d(widths[-1], 4, 1)
        self.kinds = torch.nn.Conv2d(widths[-1], YOLO_CLASSES, 1)
        self.stride = 2 ** (len(widths) - 1)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        seen = self.body(picture)
        reach = self.sides(seen).sigmoid() * 4 * self.stride  # to the left, the top, the right and the bottom
        rows, columns = (torch.arange(side, device=seen.device) + 0.5 for side in seen.shape[2:])
        places = torch.stack(torch.meshgrid(columns, rows, indexing="xy")) * self.stride
        low, high = places - reach[:, :2], places + reach[:, 2:]
        return torch.cat([(low + high) / 2, high - low, self.kinds(seen).sigmoid()], dim=1).flatten(2)


def letterboxed(picture: Image.Image, side: int, grey: int) -> tuple[Image.Image, float, np.ndarray]:
    """The whole picture in a square, its scale, and where its corner lies."""
    scale = side / max(picture.size)
    width, height = (round(each * scale) for each in picture.size)
    corner = (side - width) // 2, (side - height) // 2
    square = Image.new("RGB", (side, side), (grey,) * 3)
    square.paste(picture.resize((width, height), Image.Resampling.BILINEAR), corner)
    return square, scale, np.array([*corner, *corner])


def yolo() -> tuple[Pictures, Answers]:
    """A detector with the output of YOLOv8's family, on letterboxed pictures."""
    network = OneLook()
    prepare = v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])
    pictures = drawings((320, 320), (320, 240), (640, 480), (300, 500))
    laid = [letterboxed(each, YOLO_SIDE, YOLO_GREY) for each in pictures]
    batch = torch.stack([prepare(each) for each, _, _ in laid])
    as_if_trained(network, [network.sides, network.kinds], lambda: network(batch))
    network.kinds.bias.data -= RARE
    torch.onnx.export(network, (torch.zeros(2, 3, 320, 320),), "model.onnx", dynamic_shapes=({0: "batch"},))
    answers = []
    with torch.no_grad():
        for picture, (_, scale, corner), rows in zip(pictures, laid, network(batch), strict=True):
            boxes = torchvision.ops.box_convert(rows[:4].T, "cxcywh", "xyxy")
            kinds, places = (rows[4:] >= 0.05).nonzero(as_tuple=True)
            scores = rows[4:][kinds, places]
            kept = torchvision.ops.batched_nms(boxes[places], scores, kinds, 0.45)
            found = (boxes[places[kept]].numpy() - corner) / scale
            found = np.clip(found, 0, [*picture.size, *picture.size])
            answers.append({"boxes": found, "scores": scores[kept].numpy(), "labels": kinds[kept].numpy()})
    return pictures, answers


def torchvision_ssdlite() -> tuple[Pictures, Answers]:
    """A detector of torchvision: boxes, scores and labels from 1 on, of one picture without a batch."""
    network = torchvision.models.detection.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=4
    )
    prepare = v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])
    pictures = drawings((320, 320), (320, 320), (320, 320))
    batch = [prepare(each) for each in pictures]
    last = [each[1] for each in network.head.classification_head.module_list]
    as_if_trained(network, last, lambda: network(batch))
    for each in last:
        each.bias.data.view(-1, 4)[:, 0] += 2 * RARE
    torch.onnx.export(network, ([torch.rand(3, 320, 320)],), "model.onnx", dynamo=False)
    with torch.no_grad():
        answers = [{name: each.numpy() for name, each in found.items()} for found in network(batch)]
    return pictures, [each | {"labels": each["labels"] - 1} for each in answers]  # of its labels, 0 is background


def wsinfer_patches() -> tuple[Pictures, Answers]:
    """A classifier of patches as WSInfer has them: TorchScript, with a config.json beside it."""
    network = torchvision.models.resnet18(weights=None, num_classes=2)
    Path("config.json").write_text(json.dumps(PATCHES))
    # WSInfer builds torchvision's transforms of these names.
    prepare = torchvision.transforms.Compose(
        [getattr(torchvision.transforms, step["name"])(**step.get("arguments", {})) for step in PATCHES["transform"]]
    )
    pictures = drawings((224, 224), (350, 350), (350, 350))
    batch = torch.stack([prepare(each) for each in pictures])
    as_if_trained(network, [network.fc], lambda: network(batch))
    torch.jit.trace(network, batch[:1]).save("torchscript_model.pt")
    network = torch.jit.load("torchscript_model.pt")
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, 224, 224),),
        "model.onnx",
        dynamo=False,
        input_names=["pictures"],
        dynamic_axes={"pictures": {0: "batch"}},
    )
    return pictures, classified(network, prepare, pictures)


def monai_bundle() -> tuple[Pictures, Answers]:
    """A bundle of MONAI, exported by its own command."""
    Path("configs").mkdir()
    Path("models").mkdir()
    Path("configs/metadata.json").write_text(json.dumps(BUNDLE))
    Path("configs/inference.json").write_text(json.dumps(BUNDLE_NETWORK))
    network = monai.bundle.ConfigParser(BUNDLE_NETWORK).get_parsed_content("network_def")
    prepare = v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)])
    pictures = drawings((256, 224), (256, 224))
    batch = torch.stack([prepare(each) for each in pictures])
    last = [each for each in network.modules() if isinstance(each, torch.nn.ConvTranspose2d)][-1]
    as_if_trained(network, [last], lambda: network(batch))
    torch.save(network.state_dict(), "models/model.pt")
    monai.bundle.onnx_export(
        "network_def", "models/model.onnx", "models/model.pt", "configs/metadata.json", "configs/inference.json"
    )
    with torch.no_grad():
        return pictures, [{"maps": each.numpy()} for each in network(batch).softmax(1)]


NETWORKS = (
    timm_vit,
    torchvision_mobilenet,
    smp_unet,
    monai_unet,
    yolo,
    torchvision_ssdlite,
    wsinfer_patches,
    monai_bundle,
)


def export(make: Callable[[], tuple[Pictures, Answers]], folder: Path) -> None:
    """Write all that belongs to a network."""
    torch.manual_seed(0)
    (folder / "pictures").mkdir(parents=True)
    with contextlib.chdir(folder):
        pictures, answers = make()
    found = {}
    for number, (picture, answer) in enumerate(zip(pictures, answers, strict=True)):
        picture.save(folder / f"pictures/{number}.png")
        found |= {f"{number}/{name}": values for name, values in answer.items()}
    np.savez(folder / "answers.npz", **found)


if __name__ == "__main__":
    for each in NETWORKS:
        if not sys.argv[2:] or each.__name__ in sys.argv[2:]:
            sys.stdout.write(f"{each.__name__}\n")
            sys.stdout.flush()
            export(each, Path(sys.argv[1]).absolute() / each.__name__)
