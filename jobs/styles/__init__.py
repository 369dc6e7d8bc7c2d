"""Styles: folders that say what a guest may pick and which steps make it. `spec` is the format, `graph` the checks of
ComfyUI workflows, `options` what guests may choose, `shelf` the loading. The built-in ones lie in builtin/ as data.
"""
