"""The form of the attack page: a sentence, its victims, and one attack for all of them."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from prunescope import engine
from prunescope.app.components.parts import study_names
from prunescope.app.components.text import plain
from prunescope.app.screens.explore.live import FIRST
from prunescope.app.state import address
from prunescope.app.state.limits import most_characters
from prunescope.app.state.resources import attacks_here, evaluation_texts, read_study, signature
from prunescope.engine.reading import flips, levels, series

AUTOMATIC = -1  # the true label of the text that was picked, else what the dense model says
OFFERED = (
    0.3,
    0.5,
    0.6,
    0.7,
    0.8,
    0.9,
)  # sparsities of other studies; any other can be typed into the address


@dataclass(frozen=True, slots=True)
class Form:
    """What the page asks for."""

    study: engine.Study
    chosen: list[tuple[engine.Study, float]]  # the dense victim first
    attack: str
    missing: tuple[str, ...]
    text: str
    truth: int | None  # None: what the dense model says
    label: int  # as picked, or AUTOMATIC
    row: int | None  # of the evaluation set, where the text is one of it
    seed: int
    queries: int | None
    seconds: float | None

    @property
    def has_words(self) -> bool:
        """Whether there is anything to attack."""
        return any(sign.isalnum() for sign in self.text)

    def request(self) -> dict[str, Any]:
        """What every request to a worker names."""
        return {
            "victims": levels.victim_requests(self.chosen, self.study),
            "attack": self.attack,
            "seed": self.seed,
            "queries": self.queries,
            "seconds": self.seconds,
        }

    def view(self) -> dict[str, str | None]:
        """What the address carries; a long text that was typed stays out of it."""
        chosen: dict[str, float] = {
            "seed": self.seed,
            "queries": self.queries or 0,
            "seconds": self.seconds or 0,
        }
        typed = self.row is None and self.text != FIRST and len(self.text) <= address.SHORT
        return {
            "study": self.study.key[:12],
            "victims": " ".join(levels.level_id(*one) for one in self.chosen[1:]),
            "attack": self.attack,
            "row": None if self.row is None else str(self.row),
            "text": self.text if typed else None,
            "label": None if self.label == AUTOMATIC else str(self.label),
            **{
                name: f"{value:.10g}" if value != _usual(self.study)[name] else None
                for name, value in chosen.items()
            },
        }


def take_up(view: dict[str, str], studies: list[engine.Study]) -> list[str]:
    """Set the widgets from an address; what it names and is not here is told."""
    state = st.session_state
    named, notices = address.studies(studies, 1)
    own = next((one for one in studies if one.key in named), studies[0])
    state["a-study"] = own.key
    wanted = [(text, levels.parse(text, studies, own)) for text in view.get("victims", "").split()]
    strange = [text for text, found in wanted if found is None]
    notices += [
        f"The link names the victim {address.seen(text)}, which is not here."
        for text in strange[:3]
    ]
    state["a-victims"] = [levels.level_id(*found) for _, found in wanted if found][
        : levels.MOST
    ] or _default(own)
    state["a-attack"], told = address.one_of("attack", list(engine.ATTACKS), _usual_attack(own))
    classes = len(own.about["label_names"])
    label, more = AUTOMATIC, list[str]()
    if "label" in view:
        label, more = address.number(
            "label", AUTOMATIC, 0, classes - 1, whole=True, usual="the automatic one"
        )
    usual = _usual(own)
    seed, of_seed = address.number("seed", usual["seed"], 0, 2**31, whole=True)
    queries, of_queries = address.number("queries", usual["queries"], 0, 100_000, whole=True)
    seconds, of_seconds = address.number("seconds", usual["seconds"], 0, 3600)
    state["a-truth"], state["a-seed"], state["a-queries"], state["a-seconds"] = (
        int(label),
        int(seed),
        int(queries),
        seconds,
    )
    return [*notices, *told, *more, *of_seed, *of_queries, *of_seconds, *_take_text(view, own)]


def _take_text(view: dict[str, str], study: engine.Study) -> list[str]:
    state = st.session_state
    state["a-row"], state["a-text"] = None, view.get("text", FIRST)[: most_characters()]
    if "row" not in view:
        return []
    texts, why = evaluation_texts(study.key)
    if texts is None:
        return [
            f"The link names row {address.seen(view['row'])} of the evaluation set. {plain(why)}"
        ]
    if texts.pairs is not None:
        return [
            f"The link names row {address.seen(view['row'])} of an evaluation set of pairs; a "
            "single text is attacked here."
        ]
    row, told = address.number("row", -1, 0, len(texts) - 1, whole=True)
    if not told:
        state["a-row"], state["a-text"] = int(row), texts.texts[int(row)][: most_characters()]
    return (
        [
            f"The link names row {address.seen(view['row'])} of the evaluation set, which has "
            f"{len(texts)} rows."
        ]
        if told
        else []
    )


def _default(study: engine.Study) -> list[str]:
    return [levels.level_id(study, levels.default_level(study))]


def _usual_attack(study: engine.Study) -> str:
    attack = study.about["attack"]
    return attack if attack in engine.ATTACKS else "deepwordbug"


def _usual(study: engine.Study) -> dict[str, float]:
    """Seed and budget of the study's own attacks, so that what it measured is found again; 0 is no
    limit.
    """
    spec = study.about["spec"]
    seed, queries, seconds = (
        study.about["seed"],
        spec.get("max_queries") or 0,
        spec.get("max_seconds") or 0,
    )
    return {
        "seed": seed if 0 <= seed <= 2**31 else 0,
        "queries": queries if queries <= 100_000 else 0,
        "seconds": seconds if seconds <= 3600 else 0,
    }


def pick_study(studies: list[engine.Study]) -> engine.Study:
    """The study whose dense model and data are used."""
    names = study_names(studies)
    keys = [study.key for study in studies]
    if st.session_state.get("a-study") not in keys:  # it was removed while it was shown
        st.session_state["a-study"] = keys[0]
        _another_study(studies)
        st.session_state["a-said"] = (
            "The study that was shown here is no longer in the store; this is another one."
        )
    key = st.selectbox(
        "Study",
        keys,
        format_func=names.__getitem__,
        key="a-study",
        on_change=_another_study,
        args=(studies,),
    )
    return next(study for study in studies if study.key == key)


def _another_study(studies: list[engine.Study]) -> None:
    state = st.session_state
    study = next(one for one in studies if one.key == state["a-study"])
    state["a-victims"], state["a-attack"] = _default(study), _usual_attack(study)
    state["a-row"], state["a-truth"] = None, AUTOMATIC
    usual = _usual(study)
    state["a-seed"], state["a-queries"], state["a-seconds"] = (
        int(usual["seed"]),
        int(usual["queries"]),
        float(usual["seconds"]),
    )


def form(study: engine.Study, studies: list[engine.Study]) -> Form:
    """Draw the form and read it."""
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _pick(study)
        text = st.text_area(
            "Sentence",
            key="a-text",
            height=118,
            on_change=_typed,
            args=(study,),
            help=f"Up to {most_characters():,} characters; of a longer text the beginning is kept.",
        )
        truth = _truth(study)
    with right:
        chosen = _victims(study, studies)
        attack, missing = _attack(study)
        seed, queries, seconds = _budget()
    state = st.session_state
    return Form(
        study,
        chosen,
        attack,
        missing,
        text,
        truth,
        state["a-truth"],
        state.get("a-row"),
        seed,
        queries,
        seconds,
    )


def _typed(study: engine.Study) -> None:
    state, most = st.session_state, most_characters()
    if (length := len(state["a-text"])) > most:
        state["a-text"] = state["a-text"][:most]
        state["a-said"] = f"The text has {length:,} characters; the first {most:,} are kept."
    row, (texts, _) = st.session_state.get("a-row"), evaluation_texts(study.key)
    if row is not None and (
        texts is None or st.session_state["a-text"] != texts.texts[row][: most_characters()]
    ):
        st.session_state["a-row"] = st.session_state["a-picked"] = None


def _truth(study: engine.Study) -> int | None:
    names = study.about["label_names"]
    truth: int = st.selectbox(
        "True label",
        [AUTOMATIC, *range(len(names))],
        key="a-truth",
        format_func=lambda label: "automatic" if label == AUTOMATIC else names[label],
        help="Automatic: the label of the text that was picked; for a text that was typed, what "
        "the dense model says.",
    )
    row, (texts, _) = st.session_state.get("a-row"), evaluation_texts(study.key)
    if truth != AUTOMATIC:
        return truth
    return texts.labels[row] if row is not None and texts is not None else None


def _victims(study: engine.Study, studies: list[engine.Study]) -> list[tuple[engine.Study, float]]:
    measured, _ = read_study(study.key, signature(study.key))
    sparsities = [level.sparsity for level in measured.levels if level.sparsity] if measured else []
    offered = [(study, sparsity) for sparsity in sorted({*sparsities, levels.default_level(study)})]
    for other in levels.same_classes(studies, study)[1:]:
        own = series.own_sparsity(other)
        offered += [(other, sparsity) for sparsity in (OFFERED if own is None else (own,))]
    texts = {levels.level_id(*one): one for one in offered}
    for text in st.session_state.get("a-victims", []):
        if text not in texts and (found := levels.parse(text, studies, study)):
            texts[text] = found
    names = dict(zip(texts, levels.level_names(list(texts.values()), study), strict=True))
    picked = st.multiselect(
        "Sparse victims, beside the dense one",
        list(names),
        key="a-victims",
        max_selections=levels.MOST,
        format_func=lambda text: names.get(text, text),
        accept_new_options=True,
        on_change=_canonical,
        args=(study, studies),
        help="Up to three. Type a percentage for any sparsity of this study; levels of other "
        "studies with the same classes are "
        "in the list.",
        placeholder="Pick levels, or type a percentage",
        wrap=True,
    )
    found = [levels.parse(text, studies, study) for text in picked]
    if None in found:
        st.info("A victim of a study that is no longer in the store is left out.")
    return [(study, 0.0), *(one for one in found if one is not None)]


def _canonical(study: engine.Study, studies: list[engine.Study]) -> None:
    """A percentage that was typed becomes the level it means; anything else that was typed is
    dropped.
    """
    found = [levels.parse(text, studies, study) for text in st.session_state["a-victims"]]
    kept = [levels.level_id(*one) for one in found if one is not None and one[1] > 0]
    if len(kept) < len(found):
        st.session_state["a-said"] = (
            "A sparse victim is a percentage above 0 and below 100 that the study's pattern allows."
        )
    st.session_state["a-victims"] = list(dict.fromkeys(kept))


def _attack(study: engine.Study) -> tuple[str, tuple[str, ...]]:
    lacking = attacks_here(study.about["spec"].get("resources"))
    attack: str = st.selectbox(
        "Attack, one for all victims",
        list(engine.ATTACKS),
        key="a-attack",
        format_func=lambda name: (
            engine.ATTACKS[name] + (" · not on this machine" if lacking.get(name) else "")
        ),
    )
    if said := st.session_state.pop("a-said", None):
        st.info(said)
    if missing := lacking.get(attack, ()):
        st.info(plain(f"{engine.ATTACKS[attack]} needs {'; '.join(missing)}."))
    return attack, missing


def _budget() -> tuple[int, int | None, float | None]:
    with st.expander("Seed and budget"):
        one, two, three = st.columns(3)
        seed = int(one.number_input("Seed", 0, 2**31, step=1, key="a-seed"))
        queries = int(
            two.number_input(
                "Queries",
                0,
                100_000,
                step=10,
                key="a-queries",
                help="For each victim; 0 is no limit.",
            )
        )
        seconds = float(
            three.number_input(
                "Seconds",
                0.0,
                3600.0,
                step=5.0,
                key="a-seconds",
                format="%g",
                help="Of each victim's own share; 0 is no limit.",
            )
        )
    return seed, queries or None, seconds or None


def _pick(study: engine.Study) -> None:
    """Pick a sentence of the evaluation set by label, length and outcome."""
    texts, why = evaluation_texts(study.key)
    with st.expander("Pick one of the evaluation set"):
        if texts is None or texts.pairs is not None:
            st.text(
                why
                or "The examples of this study are pairs of texts, and one sentence is attacked "
                "here."
            )
            return
        shown = _filtered(study, texts)
        st.session_state["a-picked"] = (
            st.session_state.get("a-row") if st.session_state.get("a-row") in set(shown) else None
        )
        st.selectbox(
            f"{len(shown)} of {len(texts)} sentences",
            [None, *shown],
            key="a-picked",
            on_change=_take,
            args=(study,),
            placeholder="Pick a sentence",
            format_func=lambda row: "–" if row is None else f"{row}: {texts.texts[row][:110]}",
        )


def _filtered(study: engine.Study, texts: engine.Examples) -> list[int]:
    names, table = study.about["label_names"], _table(study, texts)
    one, two, three = st.columns([2, 3, 3])
    label = one.selectbox(
        "Label",
        [AUTOMATIC, *range(len(names))],
        key="a-pick-label",
        format_func=lambda label: "any" if label == AUTOMATIC else names[label],
    )
    most = int(table["words"].max())
    low, high = two.slider("Words", 1, max(most, 2), (1, max(most, 2)), key="a-pick-words")
    kinds = [name for name in flips.KINDS if name == "any" or name in set(table["kind"])]
    level = f"{100 * _against(study):g} %"
    kind = three.selectbox(
        "Outcome in the study",
        kinds,
        key="a-pick-kind",
        format_func=lambda name: flips.KINDS[name].format(a="dense", b=level),
    )
    found = table[table["words"].between(low, high)]
    found = found if label == AUTOMATIC else found[found["label"] == label]
    return [int(row) for row in (found if kind == "any" else found[found["kind"] == kind])["row"]]


def _against(study: engine.Study) -> float:
    """The measured level whose outcomes the filter tells: the first sparse victim's, else the
    default one's.
    """
    picked = [text.partition("@") for text in st.session_state.get("a-victims", [])]
    own = [float(number) for key, _, number in picked if number and study.key.startswith(key)]
    return own[0] if own else levels.default_level(study)


def _table(study: engine.Study, texts: engine.Examples) -> pd.DataFrame:
    measured, _ = read_study(study.key, signature(study.key))
    dense, here = (
        (measured.level(0.0), measured.level(_against(study))) if measured else (None, None)
    )
    table = pd.DataFrame(
        {
            "row": range(len(texts)),
            "label": texts.labels,
            "words": [len(text.split()) for text in texts.texts],
        }
    )
    if dense is None or here is None:
        return table.assign(kind="any")
    return table.assign(kind=flips.with_kinds(flips.rows(dense, here, len(texts)))["kind"])


def _take(study: engine.Study) -> None:
    row, (texts, _) = st.session_state["a-picked"], evaluation_texts(study.key)
    st.session_state["a-row"] = row
    if row is not None and texts is not None:
        st.session_state["a-text"], st.session_state["a-truth"] = (
            texts.texts[row][: most_characters()],
            AUTOMATIC,
        )
