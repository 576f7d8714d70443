"""One hub for this folder's tests, and processes that know no other: `huggingface_hub` reads its
address when it is imported.
"""

import os
from collections.abc import Callable, Iterator

import pytest
from made_up_hub import stocked
from stand_in import Hub, running

Environment = Callable[..., dict[str, str]]


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running(stocked(tmp_path_factory.mktemp("repositories"))) as found:
        yield found


@pytest.fixture(scope="session")
def environment(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The variables of a process that asks this hub alone, and keeps what it fetches apart."""

    def made() -> dict[str, str]:
        home = tmp_path_factory.mktemp("home")
        closed = "http://127.0.0.1:9"  # whatever would leave this machine ends here
        known = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HF_", "PRUNESCOPE_"))
        }
        return {
            **known,
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(home / "hf"),
            "HTTPS_PROXY": closed,
            "HTTP_PROXY": closed,
            "NO_PROXY": "127.0.0.1",
            "PRUNESCOPE_CACHE": str(home / "cache"),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }

    return made
