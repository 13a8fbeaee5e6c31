from my_lab import LabScript


class Mine(LabScript):
    def loop(self):
        pass
