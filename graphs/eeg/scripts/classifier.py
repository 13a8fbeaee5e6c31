"""A small convolutional network in PyTorch that says, four times a second, whether there is much alpha in the EEG.

It runs on whichever device its node is given: one with ``"placement": {"num_gpus": 1}`` sees its GPU and no other, one
without sees none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rena_graph import RenaScript

try:
    import torch
except ImportError as error:
    raise ImportError('this script classifies with PyTorch: pip install "rena-graph[torch]"') from error

WINDOW = 256  # samples: two seconds at 128 Hz


class AlphaNet(torch.nn.Module):
    """Eight filters in time, the power that each lets through on each channel, one logit."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.temporal = torch.nn.Conv2d(1, 8, (1, 65), bias=False)
        self.out = torch.nn.Linear(8 * channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits ``(windows,)`` of windows ``(windows, channels, samples)`` in µV."""
        x = (x - x.mean(dim=2, keepdim=True)) / (x.std(dim=2, keepdim=True) + 1e-6)
        power = self.temporal(x.unsqueeze(1)).square().mean(dim=3)
        return self.out(torch.log(power + 1e-6).flatten(1)).squeeze(1)


def save_weights(net: AlphaNet, path: Path, threshold: float) -> None:
    """As plain arrays, so that loading them runs no code; `threshold` says what the training took for much alpha."""
    arrays = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    np.savez(path, threshold=np.float64(threshold), **arrays)


def load_weights(path: Path) -> AlphaNet:
    """The network with the weights of :func:`save_weights`."""
    with np.load(path, allow_pickle=False) as file:
        weights = {name: torch.from_numpy(file[name]) for name in file.files if name != "threshold"}
    net = AlphaNet(weights["out.weight"].shape[1] // 8)
    net.load_state_dict(weights)
    return net.eval()


class AlphaClassifier(RenaScript):
    """``EEG-filtered`` in, ``Alpha`` out: the probability that the two seconds up to its time stamp hold much alpha."""

    def init(self) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.device.type == "cpu":
            torch.set_num_threads(1)  # the network is small, and the other nodes want to run too
        self.net = load_weights(Path(self.params["weights"])).to(self.device)
        # The first pass on a GPU takes seconds: not when the first samples come.
        self.classify(np.zeros((WINDOW, len(self.presets["EEG-filtered"].channel_names)), np.float32))
        name = torch.cuda.get_device_name() if self.device.type == "cuda" else "the processor"
        print(f"classifying on {name}")

    def loop(self) -> None:
        if "EEG-filtered" not in self.inputs:
            return
        eeg, timestamps = self.inputs["EEG-filtered"]
        if len(eeg) >= WINDOW:
            self.set_output("Alpha", self.classify(eeg[-WINDOW:]), timestamp=timestamps[-1])

    def classify(self, window: np.ndarray) -> float:
        """The probability for one window ``(samples, channels)``."""
        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(window.T)).unsqueeze(0).to(self.device)
            return float(torch.sigmoid(self.net(batch))[0])
