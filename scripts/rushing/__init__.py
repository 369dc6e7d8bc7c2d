"""A rush at the booths, played against a running farm: only HTTP, nothing of the farm is imported.

`rows` is what is written down about each order, `judging` and `timing` (pure) say what it means, `booths` speaks HTTP.
"""
