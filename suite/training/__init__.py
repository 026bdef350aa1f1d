"""How networks learn: one loop, one recipe and one way of scoring for every design."""
