"""Forgetting orders: what a deletion takes away, what is owed until it is gone everywhere, retention.

An order's rows lose what is personal in one transaction, which also writes down what is owed: files, progress in Redis,
copies at ComfyUI's hosts. Each debt is a row of `erasures` and is worked off until a look says that it is done, so a
crash, a busy file or a host that is away costs time and forgets nothing.
"""
