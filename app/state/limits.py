"""Public mode, for a page that strangers can open: `scripts/run --public` sets PRUNESCOPE_PUBLIC.

Reading is open to all: studies, charts, exports of charts and of studies. Live work is bounded:
texts are shorter, and each visitor has a rate and a number of requests that run or wait, as have
all together. What costs more, or changes what is stored (measuring, timing, exporting models,
batches, starting, importing, deleting), is for the machine's own user, who leaves this off.
"""

import os
import secrets
import threading
import time
from collections import deque
from typing import Any, Protocol, TypeVar

import streamlit as st

from prunescope import engine

CHARACTERS = 1000  # of a text, for the machine's own user
PUBLIC_CHARACTERS = 300
A_MINUTE = 12  # requests of a visitor
AT_ONCE = 2  # of a visitor, running or waiting
IN_ALL = 8  # of all visitors, running or waiting
OPEN = ("ready", "attack", "look")  # what a visitor may ask of the worker
CLOSED = (
    "This is a public page, so {what} not offered here. It is on your own installation: see "
    "the README."
)


class Awaited(Protocol):
    """What a page waits for: a job of a worker, or an attack that has several."""

    @property
    def active(self) -> bool:
        """Whether it is still to come."""

    @property
    def token(self) -> str:
        """What an address finds it by."""

    def look(self) -> None:
        """Somebody waits for it."""


class Shown(Awaited, Protocol):
    """What a page shows as a bar while it runs."""

    @property
    def do(self) -> str:
        """What it does."""

    @property
    def state(self) -> str:
        """Queued, running, done, failed, or cancelled."""

    @property
    def progress(self) -> engine.ProgressState:
        """How far it is."""

    @property
    def reason(self) -> str:
        """Why it has no result."""

    @property
    def result(self) -> dict[str, Any] | None:
        """What came of it."""


Job = TypeVar("Job", bound=Awaited)


class Bench(Protocol[Job]):
    """Who does the work: a worker, or the attacks of the app."""

    def submit(self, do: str, **arguments: Any) -> Job:
        """Start a request."""

    def find(self, token: str) -> Job | None:
        """A request by its token."""

    def cancel(self, job: Job, /) -> None:
        """Stop a request within two seconds."""

    def drop(self, job: Job, /) -> None:
        """Stop a request that nobody waits for any more."""


def public() -> bool:
    """Whether strangers are expected."""
    return os.environ.get("PRUNESCOPE_PUBLIC", "") not in ("", "0")


def prunes_ahead() -> bool:
    """Whether the sparsities next to the slider are pruned while nothing is asked for: not for
    strangers, nor where PRUNESCOPE_AHEAD is 0.
    """
    return not public() and os.environ.get("PRUNESCOPE_AHEAD", "1") not in ("", "0")


def most_characters() -> int:
    """How long a text may be."""
    return PUBLIC_CHARACTERS if public() else CHARACTERS


def closed(what: str) -> bool:
    """In public mode say that something is not offered; whether it was said."""
    if public():
        st.caption(CLOSED.format(what=what))
    return public()


class Gate:
    """Requests of every visitor, within limits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[str, deque[float]] = {}
        self._jobs: list[tuple[str, Awaited]] = []

    def ask(
        self, visitor: str, bench: Bench[Job], do: str, arguments: dict[str, Any], now: float
    ) -> Job | str:
        """The job, or in a sentence why there is none."""
        with self._lock:
            self._asked = {
                name: times for name, times in self._asked.items() if times[-1] > now - 60
            }
            self._jobs = [(name, job) for name, job in self._jobs if job.active]
            if why := self._refusal(visitor, do, arguments, now):
                return why
            self._asked.setdefault(visitor, deque(maxlen=A_MINUTE)).append(now)
            job = bench.submit(do, **arguments)
            self._jobs.append((visitor, job))
            return job

    def _refusal(self, visitor: str, do: str, arguments: dict[str, Any], now: float) -> str | None:
        if do not in OPEN:
            return CLOSED.format(what="this is")
        longest = max(
            (len(arguments.get(name) or "") for name in ("text", "adversarial")), default=0
        )
        if longest > PUBLIC_CHARACTERS:
            return (
                f"The text has {longest} characters; on this public page it may have "
                f"{PUBLIC_CHARACTERS}. Shorten it."
            )
        times = self._asked.get(visitor, deque())
        if len(times) >= A_MINUTE and times[0] > now - 60:
            return (
                f"You have asked {A_MINUTE} times within a minute; go on in "
                f"{60 - now + times[0]:.0f} s."
            )
        if sum(name == visitor for name, _ in self._jobs) >= AT_ONCE:
            return f"{AT_ONCE} of your requests are running or waiting; wait for one, or cancel it."
        if len(self._jobs) >= IN_ALL:
            return (
                f"{IN_ALL} requests of all visitors are running or waiting; try again in a minute."
            )
        return None


@st.cache_resource
def _gate() -> Gate:
    return Gate()


def submit(bench: Bench[Job], do: str, **arguments: Any) -> Job | None:
    """Ask a worker; in public mode within the limits, and where they refuse the page says why."""
    if not public():
        return bench.submit(do, **arguments)
    answer = _gate().ask(_visitor(), bench, do, arguments, time.monotonic())
    if isinstance(answer, str):
        if do != "ready":  # which nobody asked for by hand
            st.warning(answer)
        return None
    return answer


def _visitor() -> str:
    """By the address that the proxy in front has seen, else the browser's own, else the session."""
    forwarded: str = st.context.headers.get("X-Forwarded-For") or ""
    address = forwarded.rpartition(",")[2].strip() or st.context.ip_address
    return str(address or st.session_state.setdefault("visitor", secrets.token_hex(8)))
