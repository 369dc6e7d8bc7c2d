"""Measures how long the farm needs to go on after a kill: `./scripts/recovery`, with the farm's default timings."""
