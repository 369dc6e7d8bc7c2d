"""Replicate's library creates a prediction, asks about it twice and cancels it; `upload` sends the photo beforehand."""

import json
import sys

import replicate

asked = json.load(sys.stdin)
client = replicate.Client(api_token=asked["key"], base_url=asked["base_url"].removesuffix("/v1"))
field, how, parameters = asked["photo_field"], asked["encoding"], asked["parameters"]
with open(asked["photo"], "rb") as photo:
    given = {**parameters, "prompt": asked["prompt"], field: photo}
    if ":" in asked["model"]:
        made = client.predictions.create(version=asked["model"], input=given, file_encoding_strategy=how)
    else:
        made = client.models.predictions.create(asked["model"], input=given, file_encoding_strategy=how)
made.reload()
made.reload()
made.cancel()
