"""The two workers behind a page, without processes."""

import pytest
from made_up_live import MadeUpBench


@pytest.fixture
def front() -> MadeUpBench:
    return MadeUpBench()


@pytest.fixture
def back() -> MadeUpBench:
    return MadeUpBench()
