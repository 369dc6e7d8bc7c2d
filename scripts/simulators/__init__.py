"""Stand-ins for ComfyUI and the cloud APIs, and made-up photos: for `--simulate`, tests and rehearsals.

Nothing here is used in production, and nothing here imports the farm: a stand-in is checked from outside.
"""
