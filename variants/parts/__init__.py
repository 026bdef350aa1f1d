"""What surrounds a mixer: stems, places, positions, blocks, heads."""
