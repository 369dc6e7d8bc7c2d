"""OpenAI's library edits one photo."""

import json
import sys

from openai import OpenAI

asked = json.load(sys.stdin)
client = OpenAI(base_url=asked["base_url"], api_key=asked["key"], max_retries=0)
with open(asked["photo"], "rb") as photo:
    client.images.edit(
        model=asked["model"],
        prompt=asked["prompt"],
        image=("photo.jpg", photo, "image/jpeg"),
        **asked["parameters"],
    )
