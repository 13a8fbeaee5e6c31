"""Band powers of one stream, in the manner of scripts that were written for PhysioLabXR, whose 1.1.3 has none."""

import numpy as np
from physiolabxr.scripting.RenaScript import RenaScript
from scipy.signal import welch


class Bandpower(RenaScript):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

    def init(self):
        self.source = self.params["source"]
        self.srate = self.get_stream_info(self.source, "NominalSamplingRate")

    def loop(self):
        if self.source not in self.inputs:
            return
        size = int(self.params["window_size"] * self.srate)
        data = self.inputs[self.source][0][:, -size:]  # channels x samples
        if data.shape[1] < size:
            return
        freqs, psd = welch(data, fs=self.srate, nperseg=size, axis=1)
        powers = [psd[:, (freqs >= low) & (freqs < high)].mean(axis=1) for low, high in self.params["bands"]]
        found = np.concatenate(powers)
        self.outputs["psd"] = np.pad(found, (0, self.output_num_channels["psd"] - len(found)))

    def cleanup(self):
        print("Cleanup function is called")
