"""Bad input: real events, and what becomes of them when a sender's code, clock, network or intent is bad.

A *world* is a short log that a seed and a number make, the same each time. It goes through the decoding and the engine,
through a worker on services, or through HTTP; the oracle, which shares no code with any of them, says of each record
what must become of it.
"""
