"""A storm: a whole farm under load and faults, and the proof that nothing was lost."""
