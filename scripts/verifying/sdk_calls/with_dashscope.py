"""Alibaba's library makes one picture of a photo, in the way that `mode` names.

A task is asked about twice and canceled.
"""

import json
import sys

import dashscope
from dashscope import ImageSynthesis
from dashscope.aigc.image_generation import ImageGeneration

asked = json.load(sys.stdin)
dashscope.api_key, dashscope.base_http_api_url = asked["key"], asked["base_url"]
mode, model, parameters = asked["mode"], asked["model"], asked["parameters"]
if mode == "image2image":
    task = ImageSynthesis.async_call(
        model, asked["prompt"], images=[asked["photo_url"]], task="image2image", **parameters
    )
    asker = ImageSynthesis
else:
    messages = [{"role": "user", "content": [{"image": asked["photo_url"]}, {"text": asked["prompt"]}]}]
    ask = ImageGeneration.async_call if mode == "task" else ImageGeneration.call
    task = ask(model=model, messages=messages, **parameters)
    asker = ImageGeneration
if mode != "sync":
    asker.fetch(task)
    asker.fetch(task)
    asker.cancel(task)
