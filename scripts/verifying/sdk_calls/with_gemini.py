"""Google's library has a Gemini model remake one photo. `parameters` are those of its imageConfig."""

import json
import sys
from pathlib import Path

from google import genai
from google.genai import types

asked = json.load(sys.stdin)
base_url, _, version = asked["base_url"].rpartition("/")
client = genai.Client(api_key=asked["key"], http_options=types.HttpOptions(base_url=base_url, api_version=version))
photo = types.Part.from_bytes(data=Path(asked["photo"]).read_bytes(), mime_type="image/jpeg")
client.models.generate_content(
    model=asked["model"],
    contents=[types.Content(role="user", parts=[types.Part.from_text(text=asked["prompt"]), photo])],
    config=types.GenerateContentConfig(
        response_modalities=["IMAGE"], image_config=types.ImageConfig.model_validate(asked["parameters"])
    ),
)
