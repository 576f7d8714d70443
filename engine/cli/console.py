"""What the command line prints: progress on stderr, tables for stdout."""

import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from prunescope.engine.errors import phrase
from prunescope.engine.formatting import format_duration, pluralize
from prunescope.engine.progress import Progress, ProgressState
from prunescope.engine.reading.names import full_names
from prunescope.engine.records import Rate, Study
from prunescope.engine.studies.events import StudyOpened

if TYPE_CHECKING:  # its module imports torch, which the help must not wait for
    from prunescope.engine.evaluation.latency import Comparison
    from prunescope.engine.studies.repeat import Repeated

_UNPRINTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """The text for a terminal, with control characters spelled out.

    Names come from files that someone else may have written.
    """
    return _UNPRINTED.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)


def write_out(text: str) -> None:
    """Write to stdout; whoever reads it may have closed it."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # nor may the interpreter's own flush fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Console:
    """Progress with an estimate: one line rewritten on a terminal, a line every five seconds
    elsewhere.
    """

    def __init__(
        self,
        quiet: bool = False,
        stream: TextIO | None = None,
        flag_of: Callable[[str, str | None], str | None] = lambda name, value: None,
        program: str = "prunescope",
    ) -> None:
        self._flag_of, self._program = flag_of, program
        self._stream = stream or sys.stderr
        self._quiet, self._terminal = quiet, self._stream.isatty()
        self.report, self._last = Progress(self._show, self._on_event), 0.0
        self._line, self._said, self.noticed = "", set[str](), list[str]()

    def _show(self, state: ProgressState) -> None:
        ended, now = state.done >= state.total, time.monotonic()
        if self._quiet or (now - self._last < (0.2 if self._terminal else 5.0) and not ended):
            return
        self._last = now
        left = format_duration(state.seconds_left)
        percent = 100 * state.done // max(state.total, 1)
        line = f"{percent:3d} %  {printable(state.stage)}  ({left} left)"
        if line == self._line:  # the end may be reported many times
            return
        self._line = line
        self._stream.write(f"\r\033[K{line}" if self._terminal else f"{line}\n")
        if self._terminal and ended:
            self._stream.write("\r\033[K")
        self._stream.flush()

    def _word(self, name: str, value: str | None) -> str:
        bare = name if value is None else f"{name}={value}"
        return self._flag_of(name, value) or bare

    def _on_event(self, event: object) -> None:
        if isinstance(event, StudyOpened):
            self.notices(event.notices)

    def say(self, sentence: str) -> None:
        """One sentence to the person, after clearing the progress line.

        Settings are named by their flags; one that this command's line does not give, such as a
        key of a sweep's file, by its name. A command of this program stands there as it was called.
        """
        sentence = sentence.replace("`prunescope ", f"`{self._program} ")
        sentence = printable(phrase(sentence, self._word))
        self._stream.write(f"\r\033[K{sentence}\n" if self._terminal else f"{sentence}\n")
        self._stream.flush()

    def notices(self, notices: Sequence[str], answered: bool = True) -> None:
        """Print each notice once; `answered` ones stand in the JSON answer, too."""
        for notice in notices:
            if notice not in self._said:
                self._said.add(notice)
                self.noticed += [notice] if answered else []
                self.say(notice)


def rate_text(rate: Rate | None) -> str:
    """A rate in per cent with its 95 % interval, 17 characters wide."""
    if rate is None or rate.value is None:
        return f"{'–':>17}"
    return aligned_rate(rate.value, rate.low, rate.high)


def aligned_rate(value: float, low: float, high: float) -> str:
    """A rate in per cent with its interval, for a column of a table."""
    return f"{100 * value:5.1f} [{100 * low:4.1f}, {100 * high:4.1f}]"


def level_table(study: Study) -> str:
    """The levels as a table, rates in per cent with their 95 % intervals."""
    from prunescope.engine.attacks.metrics import attack_notices

    head = f"{full_names([study])[0]}, {study.about['counts']['evaluation']} evaluated\n"
    columns = (
        f"{'sparsity':>8}  {'Acc %':>17}  {'Aua %':>17}  {'Asr %':>17}  {'[CLS] error':>11} "
        f" {'seconds':>7}\n"
    )
    rows = [
        f"{100 * level.achieved:6.2f} %  {rate_text(level.acc)}  {rate_text(level.aua)}  "
        f"{rate_text(level.asr)}  "
        f"{level.cls_error:11.4f}  {level.spent:7.1f}\n"
        for level in study.levels
    ]
    machines = "".join(f"measured with {machine}\n" for machine in study.machines)
    notices = [
        f"{100 * level.sparsity:g} %: {notice}\n"
        for level in study.levels
        for notice in attack_notices(level.attacks)
    ]
    return head + columns + "".join(rows) + "".join(notices) + machines


def safe_lines(study: Study, points: float) -> str:
    """Up to which sparsity a study is safe, and what there is to doubt; nothing for one level."""
    from prunescope.engine.reading.safety import doubts, last_safe
    from prunescope.engine.reading.verdicts import safe_sentence

    if len(study.levels) < 2 or (safe := last_safe(study, points)) is None:
        return ""
    return "".join(f"{line}\n" for line in (safe_sentence(safe), *doubts(study, points)))


def repeat_table(pairs: Sequence["Repeated"], verdict: str) -> str:
    """Levels as they are stored and as they were measured again."""
    columns = (
        f"{'sparsity':>8}  {'Acc %, again':>14}  {'rows apart':>10}  {'Aua %, again':>14}  "
        f"{'attacks apart':>13}  {'[CLS] error, again':>18}\n"
    )
    rows = []
    for pair in pairs:
        was, now = pair.stored, pair.again
        rows.append(
            f"{100 * was.achieved:6.2f} %  {_bare(was.acc):>6}, {_bare(now.acc):>6}  "
            f"{pair.rows_apart:>10}  {_bare(was.aua):>6}, {_bare(now.aua):>6}  "
            f"{pair.attacks_apart:>13}  {was.cls_error:>9.5f},{now.cls_error:>8.5f}\n"
        )
    for name, levels in (
        ("stored", [pair.stored for pair in pairs]),
        ("again", [pair.again for pair in pairs]),
    ):
        rows += [
            f"{name} with {machine}\n"
            for machine in dict.fromkeys(level.measured_with for level in levels)
        ]
    return columns + "".join(rows) + f"{verdict}\n"


def _bare(rate: Rate | None) -> str:
    return "–" if rate is None or rate.value is None else f"{100 * rate.value:.1f}"


def _stored(rate: dict[str, Any] | None) -> str:
    return rate_text(None if rate is None else Rate(**rate))


def members_table(record: dict[str, Any]) -> str:
    """The members of a recipe with what they reached on the selection set."""
    selection = record["selection"]
    attacked = selection["attacked"] if selection["attack"] != "none" else 0
    head = (
        f"{record['base']} on {record['data_name']}, {record['rows']} training examples; judged "
        f"on {selection['n']} others, {selection['attack']} on {attacked}\n"
        f"{'member':<12} {'lr':>8} {'seed':>5} {'training':<8} {'steps':>6} {'loss':>6}  "
        f"{'Acc %':>17}  {'Aua %':>17}\n"
    )
    rows = []
    for entry in record["members"]:
        spec = entry["spec"]
        kind = "plain" if spec["adversarial"] == "none" else spec["adversarial"]
        settings = f"{entry['name']:<12} {spec['learning_rate']:>8g} {spec['seed']:>5} {kind:<8}"
        if entry["status"] == "diverged":
            rows.append(f"{settings} diverged: left out\n")
            continue
        left_out = "" if entry["averaged"] else "  left out"
        rows.append(
            f"{settings} {entry['steps']:>6} {entry['final_loss']:>6.3f}  {_stored(entry['acc'])}  "
            f"{_stored(entry['aua'])}{left_out}{_not_attacked(entry)}\n"
        )
    return head + "".join(rows)


def average_table(record: dict[str, Any]) -> str:
    """How an average was made: each member in the order tried, and the average with it."""
    head = (
        f"{'member':<28}  {'alone: Acc %':>17}  {'Aua %':>17}  {'average: Acc %':>17}  "
        f"{'Aua %':>17}\n"
    )
    rows = []
    for step in record["steps"]:
        alone = record["singles"][step["member"]]
        rows.append(
            f"{step['member']:<28}  {_stored(alone['acc'])}  {_stored(alone['aua'])}  "
            f"{_stored(step['acc'])}  {_stored(step['aua'])}  "
            f"{'taken' if step['taken'] else 'left'}\n"
        )
    last = (
        f"{len(record['ingredients'])} of {len(record['singles'])} members averaged by "
        f"{record['by']}\n"
    )
    return head + "".join(rows) + last


def score_line(score: dict[str, Any]) -> str:
    """Acc and Aua of one model in words."""
    measured = [(name.capitalize(), score[name]) for name in ("acc", "aua") if score[name]]
    return ", ".join(
        f"{name} {_stored(rate).strip()} % of {rate['n']}" for name, rate in measured
    ) + _not_attacked(score)


def _not_attacked(score: dict[str, Any]) -> str:
    """How many of the examples of Aua were not attacked; scores of before 2026-11-30 do not say."""
    parts = (("untried", "gave the attack nothing to try"), ("errors", "made it fail"))
    counts = [f"{score[name]} {what}" for name, what in parts if score.get(name)]
    return f" ({', '.join(counts)})" if counts else ""


def latency_table(comparison: "Comparison") -> str:
    """Milliseconds a sentence of every side, and its ratio to the first, with 5 % and 95 %
    quantiles of the rounds.
    """
    first = comparison.sides[0]
    head = (
        f"{first.device}, {first.dtype}, {pluralize(first.threads, 'thread')}, batch "
        f"{first.batch}, {first.sentences} sentences, {pluralize(first.repeats, 'round')} in turn; "
        "the model's forward pass, without the tokenizer\n"
    )
    wide = max(5, *(len(side.name) for side in comparison.sides))
    columns = f"{'model':<{wide}}  {'form':<5}  {'ms a sentence':>24}  {'times the first':>20}\n"
    rows = []
    for side, ratio in zip(comparison.sides, comparison.ratios, strict=True):
        low, median, high = (
            1000 * value for value in (side.seconds.low, side.seconds.median, side.seconds.high)
        )
        rows.append(
            f"{side.name:<{wide}}  {side.form:<5}  {median:8.3f} [{low:6.3f}, {high:6.3f}]  "
            f"{ratio.median:6.3f} [{ratio.low:.3f}, {ratio.high:.3f}]\n"
        )
    return head + columns + "".join(rows)
