"""A storm: booths under load on a bad line while a nemesis breaks every part of a farm, then the proof from outside.

`place` is the farm and all it stands on, `booths` order, `nemesis` draws the faults, which `on_processes`, `on_redis`,
`on_servers` and `on_storage` can begin and end, `draining` heals and waits, `main` tells the order of events.
"""
