"""Who may do what: booths and their keys, operators and their passwords, signed links, the audit."""
