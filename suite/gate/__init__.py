"""The gate: what must not get slower or larger unnoticed. An exact tier, and a latency tier that compares revisions."""
