"""Measuring the farm: what its benchmarks share. No part of the running farm."""
