"""`./scripts/screenshots`: the pages of a simulated farm after some busy minutes, as pictures for README and docs.

main.py joins the parts: farm.py starts the farm, evening.py lets things happen in it, camera.py and
pages.py look at its pages, gallery.py shows what was seen.
"""
