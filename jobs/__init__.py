"""The farm: orders, styles, resources and the engine that moves work. Knows nothing of Flask.

Inside, imports point one way (tests/test_architecture.py holds it):
settings errors resources <- database media styles <- access orders <- comfyui cloud <- engine
<- admission interventions <- farm <- entry.
"""
