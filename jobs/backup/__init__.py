"""Backups: database, photos, pictures and the farm's own secrets as one file, and the way back into an empty farm.

Redis is not in it: it only rings, and the reconciler rings again for whatever is due.
"""
