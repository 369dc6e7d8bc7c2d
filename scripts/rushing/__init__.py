"""A rush at the booths, played by HTTP against a running farm; only its settings are imported, to find logs.

`rows` is what is written down about each order, `judging` and `timing` (pure) say what it means, `booths` speaks HTTP.
"""
