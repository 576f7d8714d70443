"""Why the hub gave nothing, whichever library its client asks through."""

import httpx
import pytest
import requests

from prunescope.engine.data.hub_errors import hub_reason, network_errors

GONE = "the hub cannot be reached"


def behind(error: Exception, message: str = "offline and not cached") -> OSError:
    """An error of a cache that was tried after the network."""
    outer = OSError(message)
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), GONE),
        (httpx.ReadTimeout("timed out"), GONE),
        (httpx.RemoteProtocolError("Server disconnected"), GONE),
        (requests.exceptions.ConnectionError("Connection refused"), GONE),
        (behind(httpx.ConnectError("refused")), GONE),
        (behind(requests.exceptions.ConnectionError("refused")), GONE),
        (httpx.TooManyRedirects("more than 20 redirects.\nand more"), "more than 20 redirects"),
        (behind(requests.exceptions.TooManyRedirects("30")), "offline and not cached"),
        (ValueError("no such file."), "no such file"),
    ],
    ids=repr,
)
def test_the_reason_is_a_few_words(error: Exception, reason: str) -> None:
    assert hub_reason(error) == reason


def test_errors_of_either_library_are_caught_with_others() -> None:
    for error in (httpx.ConnectError("a"), requests.exceptions.Timeout("b"), ValueError("c")):
        try:
            raise error
        except network_errors(ValueError) as caught:
            assert caught is error
