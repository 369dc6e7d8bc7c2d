"""The ComfyUI resource. `client` speaks HTTP, `workflow` fills graphs (pure), `servers` knows who is healthy and able,
`progress` listens to the WebSocket (best effort), `executor` performs a step. Facts: ComfyUI 0.3.64, measured.
"""
