"""The resource `api`: cloud image services, paid by the call. `executor` performs a step through one of `providers`;
`brake` pauses a provider for everybody; `care` stops what nobody waits for.
"""
