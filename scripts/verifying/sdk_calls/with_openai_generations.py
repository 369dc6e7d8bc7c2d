"""OpenAI's library as a client of services that take a photo at /images/generations, by fields of their own."""

import json
import sys

from openai import OpenAI

asked = json.load(sys.stdin)
client = OpenAI(base_url=asked["base_url"], api_key=asked["key"], max_retries=0)
client.images.generate(
    model=asked["model"], prompt=asked["prompt"], extra_body={"image": asked["photo_url"], **asked["parameters"]}
)
