import rena_graph


class Filter:
    def loop(self):
        pass


print("this must never be printed: validate does not execute scripts")
raise SystemExit(1)
