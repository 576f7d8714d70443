"""Made-up resources of attacks, in the files that NLTK reads."""

import json
from pathlib import Path

TAGGER = "averaged_perceptron_tagger_eng"
LICENCE = "  1 WordNet 3.0 Copyright 2026 by nobody.  \n"


def write_wordnet(folder: Path, *words: str) -> Path:
    """A WordNet of one meaning a part of speech, which all of its words have, as NLTK reads it."""
    words = words or ("good", "fine")
    folder.mkdir(parents=True)
    (folder / "lexnames").write_text("00\tall\t1\n")
    for part, sign in (("noun", "n"), ("verb", "v"), ("adj", "a"), ("adv", "r")):
        first = len(LICENCE)
        line = (
            f"{first:08d} 00 {sign} {len(words):02x} {' '.join(f'{word} 0' for word in words)} "
            "000 | made up  \n"
        )
        (folder / f"data.{part}").write_text(LICENCE + line)
        lines = [f"{word} {sign} 1 0 1 0 {first:08d}  \n" for word in sorted(words)]
        (folder / f"index.{part}").write_text(LICENCE + "".join(lines))
        (folder / f"{part}.exc").write_text("better good\n")
    (folder / "index.sense").write_text(f"{words[0]}%1:00:00:: {len(LICENCE):08d} 1 0\n")
    return folder


def write_tagger(folder: Path) -> Path:
    """A tagger that knows one tag."""
    (folder / TAGGER).mkdir(parents=True)
    for kind, value in (
        ("weights", {"bias": {"NN": 1.0}}),
        ("tagdict", {"the": "DT"}),
        ("classes", ["NN"]),
    ):
        (folder / TAGGER / f"{TAGGER}.{kind}.json").write_text(json.dumps(value))
    (folder / "universal_tagset").mkdir()
    (folder / "universal_tagset" / "en-ptb.map").write_text("NN\tNOUN\n")
    return folder
