"""Directed faults: the farm is brought to a chosen point, something is killed or frozen there, and a judge looks after.

Nothing in the product knows of it. What makes the farm stand still lies outside: stand-ins that hang, the database's
own locks, and gates (gate.py) that stop forwarding between the farm and its Redis or ComfyUI.
"""
