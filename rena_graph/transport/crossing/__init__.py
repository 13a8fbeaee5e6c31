"""How a stream crosses from one host to another: once for each host that takes it, into a ring there.

The consuming host's :class:`~rena_graph.transport.crossing.receiver.Receiver` says from which sample on it wants the
stream and how far the sender may go; the producing host's :class:`~rena_graph.transport.crossing.sender.Sender` reads
the ring and sends that. So a broken link loses nothing that the sender's ring still holds when it is back, and
nothing piles up anywhere else.
"""
