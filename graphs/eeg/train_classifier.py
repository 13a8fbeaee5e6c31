"""Trains the network of `classifier.json` on the first part of the recording, tests it on the rest, and saves it.

    python graphs/eeg/train_classifier.py            # writes data/alpha_classifier.npz; needs torch and scipy

What it learns is whether there is much alpha (8 to 13 Hz) in two seconds of EEG: more than in half of the training
windows, by the periodogram. A rule could say that too; the point is a network whose answers can be checked.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from scipy import signal

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "scripts"))

from bandpass import BandPass  # noqa: E402 - it lies beside the script that uses it
from classifier import WINDOW, AlphaNet, save_weights  # noqa: E402

RATE = 128.0
STEP = 32
TRAINED_ON = 0.6
ALPHA = (8.0, 13.0)
EPOCHS = 60


def windows() -> np.ndarray:
    """All windows ``(count, channels, samples)`` of the filtered recording, one every quarter of a second."""
    eeg = np.load(HERE / "data" / "eeg_p300_midline.npz")["data"].astype(np.float64)
    filtered = BandPass(1.0, 40.0, RATE)(eeg).astype(np.float32)
    starts = range(0, len(filtered) - WINDOW + 1, STEP)
    return np.stack([filtered[start : start + WINDOW].T for start in starts])


def alpha_power(of: np.ndarray) -> np.ndarray:
    """Alpha's share of 1 to 40 Hz in each window, by the periodogram, averaged over channels."""
    frequencies, density = signal.periodogram(of, RATE, window="hann", axis=2)
    alpha = density[..., (frequencies >= ALPHA[0]) & (frequencies < ALPHA[1])].sum(axis=2)
    return (alpha / density[..., (frequencies >= 1) & (frequencies < 40)].sum(axis=2)).mean(axis=1)


def main() -> None:
    x, power = windows(), alpha_power(windows())
    cut = int(TRAINED_ON * len(x))
    y = power > np.median(power[:cut])
    # Windows overlap: those that reach into the trained part are not tested on.
    test = slice(cut + WINDOW // STEP, None)
    torch.manual_seed(1)
    net = AlphaNet(x.shape[1])
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    inputs, wanted = torch.from_numpy(x[:cut]), torch.from_numpy(y[:cut].astype(np.float32))
    for _ in range(EPOCHS):
        net.train()
        for batch in torch.randperm(cut).split(64):
            optimizer.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(net(inputs[batch]), wanted[batch])
            loss.backward()
            optimizer.step()
    net.eval()
    with torch.no_grad():
        found = net(torch.from_numpy(x)).numpy() > 0
    print(f"right on {np.mean(found[:cut] == y[:cut]):.1%} of {cut} training windows")
    print(f"right on {np.mean(found[test] == y[test]):.1%} of {len(y[test])} windows that it never saw")
    save_weights(net, HERE / "data" / "alpha_classifier.npz", threshold=float(np.median(power[:cut])))


if __name__ == "__main__":
    main()
