"""Says which GPUs it may see."""

import os

from rena_graph import RenaScript


class Devices(RenaScript):
    def init(self):
        print(f"{self.params['who']} sees {os.environ.get('CUDA_VISIBLE_DEVICES', 'whatever there is')!r}")

    def loop(self):
        pass
