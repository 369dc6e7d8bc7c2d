"""Volcengine's library has Ark remake one photo."""

import json
import sys

from volcenginesdkarkruntime import Ark

asked = json.load(sys.stdin)
client = Ark(base_url=asked["base_url"], api_key=asked["key"], max_retries=0)
client.images.generate(
    model=asked["model"],
    prompt=asked["prompt"],
    image=asked["photo_url"],
    response_format="b64_json",
    **asked["parameters"],
)
