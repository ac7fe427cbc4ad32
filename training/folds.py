"""One run of training, kept in files: a run that is finished is read again instead of being made again."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from oncoserve.runtime.files import write_whole
from training.data import Bytes, Slices
from training.figures.graph_answers import Raw, dice, on_tumour
from training.fit import Diary, fit, predict, reference
from training.network import Network
from training.run_settings import NONE, RunSettings
from training.serving.resemblance import Resemblance, fit_resemblance


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        network: trained.
        resemblance: what is typical for it.
        diary: of each epoch.
    """

    network: nn.Module
    resemblance: Resemblance
    diary: list[dict[str, float]]


class Workshop:
    """Makes runs and keeps them.

    Args:
        folder: for three files a run.
        settings: of all runs.
        device: where to.
    """

    def __init__(self, folder: Path, settings: RunSettings, device: torch.device) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._settings, self.device = folder, settings, device

    def run(self, name: str, train: Slices, held: Slices) -> Run:
        """Train, or read what was kept.

        Args:
            name: of the run and its files.
            train: slices of SOURCE_SIDE pixels.
            held: slices of SIDE pixels, looked at now and then for the learning curve.

        Raises:
            SystemExit: the files that are there were made with other settings or slices.
        """
        made_of = self._made_of(train)
        if (self._folder / f"{name}.json").exists():
            return self._read(name, made_of)
        diary = Diary(name, self._settings, lambda network: self._look(network, held))
        network = fit(train, self._settings, self.device, diary.write)
        resemblance = fit_resemblance(*reference(network, train, self._settings, self.device))
        arrays: dict[str, Any] = {key: np.asarray(value) for key, value in vars(resemblance).items()}
        np.savez(self._folder / f"{name}.npz", **arrays)
        torch.save(network.state_dict(), self._folder / f"{name}.pt")
        # The last file says that the others are whole.
        document = {"made_of": made_of, "settings": asdict(self._settings), "diary": diary.entries}
        write_whole(self._folder / f"{name}.json", json.dumps(document).encode())
        return Run(network, resemblance, diary.entries)

    def ask(self, run: Run, images: Bytes) -> Raw:
        """What a run's network says of (N, SIDE, SIDE) pictures."""
        said: Raw = predict(run.network, images, self.device)
        return said

    def _read(self, name: str, made_of: str) -> Run:
        document: dict[str, Any] = json.loads((self._folder / f"{name}.json").read_bytes())
        if document["made_of"] != made_of:
            raise SystemExit(f"{self._folder / name}.* was made of other settings or slices: give another --out")
        network = Network(self._settings.drop_path)
        network.load_state_dict(torch.load(self._folder / f"{name}.pt", map_location="cpu", weights_only=True))
        with np.load(self._folder / f"{name}.npz") as kept:
            numbers = {key: float(kept[key]) for key in ("far", "middle", "high")}
            resemblance = Resemblance(kept["centre"], kept["whitening"], **numbers)
        return Run(network.to(self.device), resemblance, document["diary"])

    def _look(self, network: nn.Module, held: Slices) -> dict[str, float]:
        """Figures of the slices with a tumour among those held out."""
        own = held.take(held.classes != NONE)
        if not len(own):
            return {}
        said = predict(network, own.images, self.device)
        return {
            "accuracy": float((said.logits.argmax(1) == own.classes).mean()),
            "peak": float(on_tumour(said.masks, own.masks).mean()),
            "dice": float(dice(said.masks, own.masks).mean()),
        }

    def _made_of(self, train: Slices) -> str:
        """A name for all that the run depends on, the code left out."""
        hashed = hashlib.sha256(json.dumps(asdict(self._settings), sort_keys=True).encode())
        for array in (train.images, train.masks, train.classes, train.groups):
            hashed.update(np.ascontiguousarray(array).tobytes())
        return hashed.hexdigest()
