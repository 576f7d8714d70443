"""Word-level recipes on this project's resources, side by side with the same recipes of
TextAttack's own parts.
"""

import csv
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from made_up_resources import write_wordnet
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertTokenizerFast,
)

from prunescope.engine import paths
from prunescope.engine.attacks.recipes import RECIPES, attack_identity, used_resources
from prunescope.engine.attacks.resources import Resources, find_resources
from prunescope.engine.attacks.run import Attackers, Example
from prunescope.engine.attacks.synonyms import counterfitted_neighbours, lexicon_neighbours
from prunescope.engine.attacks.textattack_import import textattack
from prunescope.engine.attacks.word_recipes import THRESHOLDS, _in_place
from prunescope.engine.errors import ModelError, ResourceError
from prunescope.engine.models.embedded import embedded_base
from prunescope.engine.models.victim import Victim, load_victim

MODULES = {
    "textfooler": "textfooler_jin_2019",
    "textbugger": "textbugger_li_2018",
    "bert-attack": "bert_attack_li_2020",
    "bae": "bae_garg_2019",
    "pwws": "pwws_ren_2019",
}
DATA = Path(os.environ.get("PRUNESCOPE_DATA") or "/nowhere")
needs_data = pytest.mark.skipif(
    not (DATA / "nltk_data").is_dir(), reason="PRUNESCOPE_DATA names no folder with nltk_data/"
)
STATUS = {"skipped": "Skipped", "broken": "Successful", "held": "Failed"}


@pytest.fixture(scope="module")
def tiny(model_folder: Path) -> Victim:
    return load_victim(str(model_folder), "cpu")


@pytest.fixture(scope="module")
def masked_folder(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> Path:
    """A folder with a small random masked language model and, where there is data, neighbours and a
    tagger.
    """
    folder = tmp_path_factory.mktemp("named")
    write_masked_lm(folder / "masked-lm", texts)
    if (DATA / "nltk_data").is_dir():
        (folder / "nltk_data").symlink_to(DATA / "nltk_data")
        (folder / "lexicon").symlink_to(DATA / "lexicon")
    return folder


def write_masked_lm(folder: Path, texts: Sequence[str]) -> None:
    """A random BERT with a head for masked tokens, whose tokenizer knows the words of the texts,
    some in two pieces.
    """
    folder.mkdir()
    words = sorted(
        {word for text in texts for word in re.findall(r"[a-z]+|[^a-z\s]", text.lower())}
    )
    pieces = [
        piece
        for row, word in enumerate(words)
        for piece in ([word[:3], "##" + word[3:]] if row % 9 == 5 else [word])
    ]
    (folder / "vocab.txt").write_text(
        "\n".join(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]))
    )
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=True)
    torch.manual_seed(4)
    config = AutoConfig.for_model(
        "bert",
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=512,
        initializer_range=0.3,
    )
    AutoModelForMaskedLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Thirty texts: openings of bundled reviews, every third longer than the window that similarity
    is read in.
    """
    lines = (paths.BUNDLED / "reviews" / "evaluation.tsv").read_text(encoding="utf-8").splitlines()
    rows = [row["text"].split() for row in csv.DictReader(lines, delimiter="\t")][:30]
    return [" ".join(row[:22] if index % 3 == 0 else row[:9]) for index, row in enumerate(rows)]


class Plain:
    """A victim as a model wrapper for TextAttack."""

    def __init__(self, victim: Victim) -> None:
        self.model, self._victim = victim.model, victim

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        return self._victim.read(texts)[0].double().softmax(dim=1)


def stock_parts(neighbours: Any, folder: Path | None) -> dict[str, Any]:
    """TextAttack's own parts, which read what ours read without any service."""
    from textattack.constraints.grammaticality import PartOfSpeech
    from textattack.constraints.semantics.sentence_encoders.sentence_encoder import SentenceEncoder
    from textattack.shared import AbstractWordEmbedding
    from textattack.transformations import WordSwapEmbedding, WordSwapMaskedLM

    from prunescope.engine.attacks.textattack_components import Passed

    class Embedding(AbstractWordEmbedding):
        """Words as their own numbers."""

        def word2index(self, word: str) -> str:
            return word

        def index2word(self, index: str) -> str:
            return index

        def nearest_neighbours(self, index: str, topn: int) -> Sequence[str]:
            return neighbours(index, topn)

        __getitem__ = get_cos_sim = get_mse_dist = lambda *_: None

    class Encoder(SentenceEncoder):
        def __init__(self, threshold: float, metric: str = "angular", **how: Any) -> None:
            super().__init__(THRESHOLDS[metric, threshold], metric, **how)
            self.model = AutoModel.from_pretrained(embedded_base()).eval()
            self.tokenizer = AutoTokenizer.from_pretrained(embedded_base())

        def encode(self, sentences: Sequence[str]) -> torch.Tensor:
            inputs = self.tokenizer(list(sentences), padding=True, return_tensors="pt")
            with torch.no_grad():
                hidden = self.model(**inputs).last_hidden_state
            mask = inputs["attention_mask"][:, :, None]
            return torch.nn.functional.normalize(
                (hidden * mask).sum(dim=1) / mask.sum(dim=1), dim=1
            )

    def masked(method: str, max_candidates: int, min_confidence: float = 5e-4) -> Any:
        return WordSwapMaskedLM(
            method,
            str(folder),
            max_length=64,
            max_candidates=max_candidates,
            min_confidence=min_confidence,
        )

    return {
        "WordSwapEmbedding": lambda max_candidates: WordSwapEmbedding(max_candidates, Embedding()),
        "WordEmbeddingDistance": lambda **_: Passed(),
        "UniversalSentenceEncoder": Encoder,
        "PartOfSpeech": PartOfSpeech,
        "WordSwapMaskedLM": masked,
    }


def stock(
    recipe: str, parts: dict[str, Any], victim: Victim, examples: Sequence[Example]
) -> list[tuple[str, str, int]]:
    """(status, perturbed text, queries) of TextAttack's own driver."""
    module = sys.modules[f"textattack.attack_recipes.{MODULES[recipe]}"]
    with _in_place(module, {name: part for name, part in parts.items() if hasattr(module, name)}):
        kind = next(
            part for name, part in vars(module).items() if name.endswith(("2018", "2019", "2020"))
        )
        attack = kind.build(Plain(victim))
    outcomes = []
    for example in examples:
        attack.clear_cache()
        result = attack.attack(example.text, example.label)
        status = type(result).__name__.removesuffix("AttackResult")
        outcomes.append(
            (status, result.perturbed_result.attacked_text.text, int(result.num_queries))
        )
    return outcomes


def ours(
    name: str, folder: Path | None, victim: Victim, examples: Sequence[Example]
) -> list[tuple[str, str, int]]:
    attackers = Attackers({"victim": victim}, name, 0, str(folder) if folder else None)
    result = {
        outcome.record.example: outcome
        for ended in attackers.run(((e, ("victim",)) for e in examples), lambda: None)
        for _, outcome in ended
    }
    outcomes = [result[example.row] for example in examples]
    assert [
        outcome.record.reason for outcome in outcomes if outcome.record.outcome == "error"
    ] == []
    return [
        (STATUS[outcome.record.outcome], outcome.perturbed, outcome.record.queries)
        for outcome in outcomes
    ]


def labelled(victim: Victim, texts: Sequence[str]) -> list[Example]:
    """Examples under the label the victim gives, every tenth under the other."""
    predicted = victim.read(texts)[0].argmax(dim=1).tolist()
    return [
        Example(text, None, label if row % 10 else 1 - label, row)
        for row, (text, label) in enumerate(zip(texts, predicted, strict=True))
    ]


def assert_same(
    expected: Sequence[tuple[str, str, int]],
    found: Sequence[tuple[str, str, int]],
    texts: Sequence[str],
) -> None:
    for (status, text, queries), outcome, original in zip(expected, found, texts, strict=True):
        assert outcome == (status, text if status == "Successful" else original, queries), original
    assert {status for status, _, _ in expected} >= {"Skipped", "Successful"}


def test_textfooler_like_is_stock_textfooler_on_the_lexicon(tiny: Victim, texts: list[str]):
    textattack(find_resources(None))
    from prunescope.engine.attacks.textattack_components import Passed

    neighbours = lexicon_neighbours(find_resources(None).parts["lexicon"])
    parts = stock_parts(neighbours, None) | {"PartOfSpeech": lambda **_: Passed()}
    examples = labelled(tiny, texts)
    assert_same(
        stock("textfooler", parts, tiny, examples),
        ours("textfooler-like", None, tiny, examples),
        texts,
    )


@needs_data
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "count"), [("textfooler", 30), ("bert-attack", 12), ("bae", 12)])
def test_outcomes_are_those_of_stock_parts(
    tiny: Victim, texts: list[str], masked_folder: Path, name: str, count: int
):
    resources = find_resources(str(masked_folder))
    textattack(resources)
    parts = stock_parts(
        counterfitted_neighbours(resources.parts["neighbours"]), masked_folder / "masked-lm"
    )
    # see the test of repeated words
    chosen = [text for text in texts[:count] if len(set(text.split())) == len(text.split())]
    examples = labelled(tiny, chosen)
    assert_same(
        stock(name, parts, tiny, examples), ours(name, masked_folder, tiny, examples), chosen
    )


@needs_data
def test_tag_is_that_of_the_words_own_place(masked_folder: Path):
    textattack(find_resources(str(masked_folder)))
    from textattack.constraints.grammaticality import PartOfSpeech
    from textattack.shared import AttackedText

    from prunescope.engine.attacks.tagger import Tagger
    from prunescope.engine.attacks.textattack_components import SamePartOfSpeech

    text = AttackedText("they watch the watch")  # a verb, then a noun
    swapped = text.replace_word_at_index(3, "clock")
    assert SamePartOfSpeech(Tagger(), False)._check_constraint(swapped, text)
    # it reads the first one's tag
    assert not PartOfSpeech(allow_verb_noun_swap=False)._check_constraint(swapped, text)
    assert not SamePartOfSpeech(Tagger(), True)._check_constraint(
        text.replace_word_at_index(3, "quickly"), text
    )


@needs_data
def test_tags_are_nltks(masked_folder: Path):
    import nltk

    textattack(find_resources(str(masked_folder)))
    from prunescope.engine.attacks.tagger import Tagger

    items = [
        tuple("the quick brown fox does n't jump over 2 lazy dogs .".split()),
        ("well",),
        ("Strange", "\u00e9t\u00e9", ""),
    ]
    assert Tagger().answer(items) == [
        tuple(tag for _, tag in nltk.pos_tag(list(words), tagset="universal", lang="eng"))
        for words in items
    ]


def test_what_is_missing_is_named(tiny: Victim, tmp_path: Path):
    nothing = Resources((), "built in", "")
    for name, lacks in (
        ("textfooler", "counter-fitted"),
        ("textfooler", "tagger"),
        ("pwws", "WordNet"),
        ("bae", "masked"),
        ("bert-attack", "masked"),
        ("textfooler-like", "lexicon"),
    ):
        assert lacks in " ".join(RECIPES[name].missing(nothing)), name
    (tmp_path / "counterfitted_neighbors.json.gz").write_bytes(b"")
    assert "counter-fitted" not in " ".join(
        RECIPES["textfooler"].missing(find_resources(str(tmp_path)))
    )
    assert RECIPES["textfooler-like"].missing(find_resources(None)) == RECIPES[
        "textbugger-like"
    ].missing(find_resources(None))
    assert RECIPES["textfooler-like"].missing(find_resources(None)) == ()
    with pytest.raises(ResourceError, match=r"needs .*not found"):
        Attackers({"victim": tiny}, "textfooler", 0)


def test_damaged_neighbours_are_an_error(tiny: Victim, tmp_path: Path):
    (tmp_path / "counterfitted_neighbors.json.gz").write_bytes(b"not packed")
    with pytest.raises(ResourceError, match="copy it again"):
        Attackers({"victim": tiny}, "textbugger", 0, str(tmp_path))


def test_folder_that_is_no_masked_model_is_an_error(tmp_path: Path):
    textattack(find_resources(None))
    from prunescope.engine.attacks.masked import masked_lm

    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="masked language model"):
        masked_lm(tmp_path, "", "cpu")


def test_masked_model_of_another_family_is_an_error(tmp_path: Path, masked_folder: Path):
    textattack(find_resources(None))
    from prunescope.engine.attacks.masked import masked_lm

    config = AutoConfig.for_model(
        "distilbert", vocab_size=400, dim=16, n_layers=1, n_heads=2, hidden_dim=16
    )
    AutoModelForMaskedLM.from_config(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(masked_folder / "masked-lm").save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="a distilbert model"):
        masked_lm(tmp_path, "", "cpu")


def test_identity_changes_with_the_content_of_what_is_used(tmp_path: Path):
    plain = attack_identity("textbugger-like", find_resources(None))
    file = tmp_path / "counterfitted_neighbors.json.gz"
    file.write_bytes(b"one")
    first = attack_identity("textbugger", find_resources(str(tmp_path)))
    file.write_bytes(b"other")
    second = attack_identity("textbugger", find_resources(str(tmp_path)))
    assert first["neighbours"] != second["neighbours"]
    assert {name: first[name] for name in first if name != "neighbours"} == {
        name: second[name] for name in second if name != "neighbours"
    }
    assert set(plain) == {"name", "textattack", "stopwords", "lexicon", "encoder", "seeding"}
    assert set(attack_identity("deepwordbug", find_resources(None))) == {
        "name",
        "textattack",
        "stopwords",
        "seeding",
    }


def test_record_says_where_each_resource_comes_from(tmp_path: Path):
    (tmp_path / "counterfitted_neighbors.json.gz").write_bytes(b"one")
    result = used_resources("textbugger", find_resources(str(tmp_path)))
    assert {name: entry["from"] for name, entry in result.items() if name != "stop words"} == {
        "neighbours": "named folder",
        "encoder": "installed package",
    }
    assert all(len(entry["sha256"]) == 64 for entry in result.values())
    with pytest.raises(ResourceError, match="tagger"):
        attack_identity("textfooler", Resources((), "built in", ""))


def test_textbugger_runs_on_the_lexicon(tiny: Victim, texts: list[str]):
    examples = labelled(tiny, texts[:6])
    result = ours("textbugger-like", None, tiny, examples)
    assert result == ours("textbugger-like", None, tiny, examples)
    assert {status for status, _, _ in result} >= {"Skipped", "Successful"}


def test_homoglyphs_are_textattacks():
    textattack(find_resources(None))
    from prunescope.engine.attacks.textattack_components import HomoglyphSwap

    swap = HomoglyphSwap()
    assert swap.deterministic
    assert swap._get_replacement_words("a!b") == [swap.homos["a"] + "!b", "a!" + swap.homos["b"]]


def test_words_of_wordnet_come_in_order(monkeypatch: pytest.MonkeyPatch):
    textattack(find_resources(None))
    from textattack.transformations.word_swaps import word_swap_wordnet

    from prunescope.engine.attacks.textattack_components import SortedWordNetSwap

    class Sense:
        def lemma_names(self, lang: str) -> list[str]:
            return ["movie", "film", "motion_picture", "flick", "celluloid", "pic"]

    class WordNet:
        def synsets(self, word: str, lang: str) -> list[Sense]:
            return [Sense()]

    monkeypatch.setattr(word_swap_wordnet, "wordnet", WordNet())
    assert SortedWordNetSwap()._get_replacement_words("film") == [
        "celluloid",
        "flick",
        "movie",
        "pic",
    ]


@pytest.mark.skipif(
    not (DATA / "nltk_data/corpora/wordnet").is_dir(), reason="PRUNESCOPE_DATA has no WordNet"
)
def test_pwws_is_stock_pwws_without_other_languages(tiny: Victim, texts: list[str]):
    """`omw-1.4`, which TextAttack downloads, is not in the folder."""
    textattack(find_resources(str(DATA)))
    from textattack.transformations import WordSwap, WordSwapWordNet

    class Stock(WordSwapWordNet):
        def __init__(self, language: str = "eng") -> None:
            WordSwap.__init__(self)
            self.language = language

        def _get_replacement_words(self, word: str, random: bool = False) -> list[str]:
            # a set's order changes from run to run
            return sorted(super()._get_replacement_words(word, random))

    examples = labelled(tiny, texts[:24])
    expected = stock("pwws", {"WordSwapWordNet": Stock}, tiny, examples)
    assert_same(expected, ours("pwws", DATA, tiny, examples), texts[:24])


def test_each_folders_own_wordnet_is_read(tiny: Victim, tmp_path: Path):
    """In one process, one after the other, as a worker's studies may want it."""
    tried: list[set[str]] = []
    for index, words in enumerate((("great", "grand"), ("great", "huge"), ("great", "grand"))):
        root = tmp_path / str(index)
        write_wordnet(root / "corpora" / "wordnet", *words)
        label = int(tiny.read(["a great film"])[0].argmax())
        steps = Attackers({"it": tiny}, "pwws", 0, str(root)).watch(
            Example("a great film", None, label)
        )
        tried.append(
            {
                text
                for _, step in steps
                for text, _ in getattr(step, "tried", ())
                if getattr(step, "kind", "") == "try"
            }
        )
    assert (
        tried[0] == tried[2]
        and {"a grand film"} <= tried[0]
        and {"a huge film"} <= tried[1]
        and not tried[0] & tried[1]
    )
