"""A seeded simulator of the run engine: the real services and supervisors, a machine and a network that misbehave.

One seed is one history: some server processes on one database, a machine whose programs do what they like, rude
clients, lost and repeated messages, crashes at any await. While it plays, every transaction and every container is
held to the invariants in ``oracle``. The same seed plays the same history, whatever else the computer does.

    history.play(seed)      one history; its outcome says what happened and what, if anything, was wrong
    python -m actorium.testing.simulator --seeds 1000
"""
