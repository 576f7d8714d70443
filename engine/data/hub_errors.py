"""What goes wrong with the Hugging Face hub, in a few words.

Its client asks through requests up to huggingface_hub 0.36, and through httpx from 1.0 on.
"""

from prunescope.engine.formatting import error_line


def network_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What either library raises where the network or the hub fails, and others; httpx's are no
    OSError.
    """
    from httpx import HTTPError
    from requests.exceptions import RequestException

    return HTTPError, RequestException, *others


def hub_reason(error: BaseException) -> str:
    """Why the hub gave nothing, in a few words; what lies behind an error counts, as where a cache
    was tried first.
    """
    from httpx import TransportError
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
    from requests.exceptions import ConnectionError as NotConnected

    of_network = network_errors(HfHubHTTPError)
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, GatedRepoError):
            return "it is gated: accept its conditions on its page, and log in with `hf auth login`"
        if isinstance(behind, RepositoryNotFoundError):
            return "there is no such repository, or it is private and nobody is logged in"
        if isinstance(behind, NotConnected | TransportError):
            return "the hub cannot be reached"
        if (
            isinstance(behind, of_network)
            and behind.__cause__ is None
            and behind.__context__ is None
        ):
            break
        behind = behind.__cause__ or behind.__context__
    return error_line(error)
