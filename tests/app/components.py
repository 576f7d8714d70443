"""What the page sent to the parts that live in the browser."""

import json
from typing import Any

from streamlit.testing.v1 import AppTest


def sent(app: AppTest, name: str) -> list[dict[str, Any]]:
    """The data of every mounted component of this name, in the page's order."""
    parts = [part.proto for part in app.get("bidi_component")]
    return [json.loads(part.json) for part in parts if part.component_name == f"prunescope_{name}"]


def told(app: AppTest) -> dict[str, str]:
    """What the cards of the first study say where the slider starts: value, change and how sure it
    is.
    """
    (cards,), (slider,) = sent(app, "cards"), sent(app, "slider")
    stop = cards["stops"].index(slider["start"])
    return {
        title["title"]: " | ".join(cards["studies"][0]["texts"][title["name"]][stop])
        for title in cards["cards"]
    }
