"""Pure core: no files, network, clock, randomness, pytest or torch."""
