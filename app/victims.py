"""Victims by name: a level of a study as a short text for addresses and pickers. No Streamlit, no Plotly."""

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from app.figures import DATA, how, own_sparsity
from app.figures import commands as figure_commands
from engine import Study

MOST = 3  # sparse victims beside the dense one
_TYPED = re.compile(r"\s*(\d{1,2}(?:\.\d+)?)\s*%?\s*")


def level_id(study: Study, sparsity: float) -> str:
    """`key@sparsity`, short enough for an address."""
    return f"{study.key[:12]}@{sparsity:g}"


def parse(text: str, studies: Iterable[Study], own: Study) -> tuple[Study, float] | None:
    """The level behind an id, or behind a percentage that was typed, which is meant of `own`; None for anything else."""
    if typed := _TYPED.fullmatch(text):
        sparsity = round(float(typed[1]) / 100, 6)
        return (own, sparsity) if _possible(own, sparsity) else None
    key, at, number = text.partition("@")
    try:
        sparsity = float(number) if at else -1.0
    except ValueError:
        return None
    study = next((one for one in studies if len(key) >= 6 and one.key.startswith(key)), None)
    return (study, sparsity) if study is not None and _possible(study, sparsity) else None


def _possible(study: Study, sparsity: float) -> bool:
    own = own_sparsity(study)
    return sparsity == 0 or (0 < sparsity < 1 and (own is None or abs(own - sparsity) < 1e-9))


def same_classes(studies: Sequence[Study], own: Study) -> list[Study]:
    """The studies whose victims tell apart the same classes, the study itself first."""
    names = own.about["label_names"]
    return [own, *(one for one in studies if one.key != own.key and one.about["label_names"] == names)]


def level_name(study: Study, sparsity: float, own: Study) -> str:
    """A level in words beside a study: its sparsity, and of another study what tells it apart."""
    share = f"{100 * sparsity:g} %" if sparsity else "dense"
    if study.key == own.key:
        return share
    told = [how(study)] if how(study) != how(own) else []
    if study.about["model"] != own.about["model"]:
        told.insert(0, str(study.about["model"]))
    if study.about["data"] != own.about["data"] or not told:
        told.append(f"on {DATA.get(study.about['data'], study.about['data'])}")
    return f"{' '.join(told)}, {share}"


def names(chosen: Sequence[tuple[Study, float]], own: Study) -> list[str]:
    """Names of victims, the first of them the dense one; told apart by their keys where their words are the same."""
    found = ["Dense", *(level_name(study, sparsity, own) for study, sparsity in chosen[1:])]
    return [name if found.count(name) == 1 else f"{name} · {study.key[:4]}"
            for name, (study, _) in zip(found, chosen, strict=True)]  # fmt: skip


def asked(chosen: Sequence[tuple[Study, float]], own: Study) -> list[dict[str, Any]]:
    """The victims as a request names them."""
    return [{"name": name, "study": study.key, "sparsity": sparsity}
            for name, (study, sparsity) in zip(names(chosen, own), chosen, strict=True)]  # fmt: skip


def commands(study: Study, sparsities: Sequence[float], text: str, label: int | None, attack: str, seed: int,
             queries: int | None, seconds: float | None) -> str:  # fmt: skip
    """The command lines that attack the text on the dense victim and on each sparse one of the study."""
    options = {"--attack": attack, "--seed": seed or None, "--label": label, "--max-queries": queries,
               "--max-seconds": seconds}  # fmt: skip
    lines = []
    for sparsity in sparsities:
        pruned = figure_commands(study, sparsity).splitlines()[1].removesuffix(" --out pruned-model")
        given = " ".join(f"{name} {value}" for name, value in options.items() if value is not None and f"{name} " not in pruned)
        lines.append(f"{pruned.replace('engine prune', 'engine attack', 1)} {given} --text={shlex.quote(text)}")
    return "\n".join(lines)


def default_level(study: Study) -> float:
    """The sparsity that is attacked unless another is picked."""
    own = own_sparsity(study)
    return 0.5 if own is None else own
