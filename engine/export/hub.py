"""Give a written model folder to the Hugging Face hub, for whoever asks for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prunescope.engine.errors import ResourceError, SettingError
from prunescope.engine.formatting import error_line

MESSAGE = "A model and its card, by PruneScope"


@dataclass(frozen=True, slots=True)
class HubTarget:
    """Where a folder goes, checked before the work."""

    name: str  # USER/NAME
    private: bool
    token: str


def hub_target(name: str, private: bool) -> HubTarget:
    """Check the name and the token, and that the token may write under this name.

    The token is that of `HF_TOKEN` or of `hf auth login`. Raises SettingError for a name that the
    hub does not take or that is somebody else's, ResourceError without a token that is good, and
    where the hub cannot be reached.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise SettingError(
            f"`push_to_hub` is {name[:100]!r}, which is no name on the hub; give USER/NAME, in "
            "letters, digits, - _ and ."
        ) from error
    owner, _, model = name.partition("/")
    if not model:
        raise SettingError(f"`push_to_hub` is {name!r}; give your name as well, as in USER/{name}.")
    token = get_token()
    if token is None:
        raise ResourceError(
            "There is no token of the hub, so nothing can be uploaded; run `hf auth login`, or set "
            "HF_TOKEN."
        )
    with _one_sentence(f"The hub does not let {name} be written"):
        account = HfApi(token=token).whoami()
    owners = [account["name"], *(group["name"] for group in account.get("orgs", ()))]
    if owner not in owners:
        raise SettingError(
            f"`push_to_hub` is {name!r}, and the token is that of {', '.join(owners)}; give "
            f"{owners[0]}/{model}, or another token."
        )
    return HubTarget(name, private, token)


def push_folder(folder: Path, target: HubTarget) -> str:
    """Upload a model folder; its address on the hub.

    Raises ResourceError where that fails; the folder stays.
    """
    from huggingface_hub import HfApi

    api = HfApi(token=target.token)
    with _one_sentence(f"The model is in {folder}, and could not be uploaded to {target.name}"):
        address = api.create_repo(target.name, private=target.private, exist_ok=True)
        api.upload_folder(repo_id=target.name, folder_path=folder, commit_message=MESSAGE)
    return str(address)


@contextmanager
def _one_sentence(what: str) -> Iterator[None]:
    """Whatever the hub's client raises, as one sentence."""
    try:
        yield
    except Exception as error:  # of the client, of requests or httpx below it, or of hf-xet
        raise ResourceError(
            f"{what} ({_reason(error)}); check the token and the network."
        ) from error


def _reason(error: Exception) -> str:
    """What the hub said, where it said something."""
    message = getattr(error, "server_message", None)
    return str(message).rstrip(".") if message else error_line(error)
