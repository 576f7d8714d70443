"""The result of an attack and the sentence in the form: in the browser alone, so that a result is
seen to be old from the first letter of another sentence on.
"""

from pathlib import Path

from prunescope.app.components.browser_component import browser_component

FOLDER = str(Path(__file__).parent)


def watch_result(text: str | None, token: str | None) -> None:
    """`text` and `token` are those of the attack that is shown; None without one."""
    browser_component(FOLDER, "result_watch")(
        data={"text": text, "token": token}, key="result-watch"
    )
