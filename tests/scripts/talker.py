"""Says when it runs and when it cleans up, and hangs where its parameter says."""

import os
import signal
import time

from rena_graph import RenaScript


class Talker(RenaScript):
    def init(self):
        self.count = 0

    def loop(self):
        self.count += 1
        if self.count == 10:
            print("loops well")
            match self.params["where"]:
                case "hang":
                    while True:
                        time.sleep(0.01)
                case "stop_itself":
                    os.kill(os.getpid(), signal.SIGSTOP)

    def cleanup(self):
        print("cleaning up")
        while self.params["where"] == "hang_in_cleanup":
            time.sleep(0.01)
        print("cleaned up")
