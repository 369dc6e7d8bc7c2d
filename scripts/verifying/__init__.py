"""`./scripts/verify-providers`: the cloud providers against servers and client libraries that nobody here wrote."""
