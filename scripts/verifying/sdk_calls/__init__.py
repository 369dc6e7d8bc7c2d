"""One call of each vendor's own library, as its user would write it. Run by the interpreter of var/verify.

Each reads a JSON object from stdin: base_url, key, photo (a path), photo_url (the same as a data URL), prompt, model
and parameters. None imports anything of the farm.
"""
