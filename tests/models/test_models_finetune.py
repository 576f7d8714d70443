"""Fine-tuning members: reproducible, adversarial where asked, written small, and fit to be merged and averaged."""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from engine.models.finetune import MemberSpec, batches, finetune, freelb_loss, lora_model, plain_loss, resumed
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer, BertForSequenceClassification

from engine.data import Examples, load_dataset
from engine.errors import InterruptedStudy, ModelError, SettingError
from engine.models.average import average_adapters, average_states, merged_member
from engine.models.victim import Victim

SPEC = MemberSpec("member", seed=1, learning_rate=0.01, epochs=1, batch_size=8, rank=2)
Tune = Callable[..., Path]


@pytest.fixture(scope="module")
def rows(data_folder: Path) -> Examples:
    train = load_dataset(str(data_folder)).train
    assert train is not None
    return train.take(range(20))


@pytest.fixture(scope="module")
def body(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model without its classifier: a pretrained encoder."""
    folder = tmp_path_factory.mktemp("body")
    BertForSequenceClassification.from_pretrained(model_folder).bert.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model_folder).save_pretrained(folder)
    return folder


@pytest.fixture
def tune(body: Path, rows: Examples, tmp_path: Path) -> Tune:
    """Fine-tune a member on the first rows of the training data (three steps) and return its folder."""

    def _tune(spec: MemberSpec = SPEC, out: str = "out", **settings: Any) -> Path:
        tokenizer = AutoTokenizer.from_pretrained(body)
        finetune(spec, body, tokenizer, rows, 2, tmp_path / out, **settings)
        return tmp_path / out

    return _tune


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("count", [1, 7, 64 * 4, 64 * 4 + 1, 1000])
def test_batches_cover_every_row_once(count: int):
    lengths = [random.Random(0).randint(3, 50) for _ in range(count)]
    found = list(batches(lengths, 4, random.Random(1)))
    assert sorted(row for batch in found for row in batch) == list(range(count))
    assert len(found) == math.ceil(count / 4)


def test_batches_hold_rows_of_like_length():
    lengths = [row % 64 for row in range(256)]
    random.Random(0).shuffle(lengths)
    assert all(len({lengths[row] for row in batch}) == 1 for batch in batches(lengths, 4, random.Random(1)))


def test_first_batches_draw_rows_from_everywhere():
    first = islice(batches([5] * 1000, 4, random.Random(1)), 10)
    assert max(row for batch in first for row in batch) > 256  # only 64 batches are sorted at a time


def test_batches_come_in_another_order_every_pass():
    generator = random.Random(1)
    lengths = [5] * 40
    assert list(batches(lengths, 4, generator)) != list(batches(lengths, 4, generator))


def test_same_seed_gives_the_same_bytes(tune: Tune):
    assert written(tune(out="one")) == written(tune(out="two"))


def test_another_seed_gives_another_member(tune: Tune):
    assert written(tune(out="one")) != written(tune(replace(SPEC, seed=2), out="two"))


def test_training_moves_the_weights(tune: Tune, body: Path):
    trained = weights(tune())
    assert all(float(value.norm()) > 0 for name, value in trained.items() if "lora_B" in name)
    start = lora_model(body, 2, 0, SPEC.rank).state_dict()["base_model.model.classifier.modules_to_save.default.weight"]
    assert not torch.allclose(trained["base_model.model.classifier.weight"].float(), start, atol=1e-3)


def test_training_lowers_the_loss(rows: Examples, model_folder: Path, tmp_path: Path):
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    first, last = (
        finetune(replace(SPEC, epochs=epochs), model_folder, tokenizer, rows, 2, tmp_path / str(epochs))["final_loss"]
        for epochs in (0.3, 30)
    )
    assert last < first  # type: ignore[operator]


def test_members_share_their_head_at_the_start(tune: Tune):
    still = replace(SPEC, learning_rate=1e-12)
    one, two = weights(tune(still, out="one")), weights(tune(replace(still, seed=2), out="two"))
    alike = {name for name in one if torch.equal(one[name], two[name])}
    assert {name for name in one if "classifier" in name or "pooler" in name} <= alike
    assert not {name for name in one if "lora_A" in name} & alike


def test_head_seed_decides_the_head(tune: Tune):
    still = replace(SPEC, learning_rate=1e-12)
    one, two = (weights(tune(still, out=str(seed), head_seed=seed)) for seed in (0, 1))
    assert not torch.equal(one["base_model.model.classifier.weight"], two["base_model.model.classifier.weight"])


def test_adapter_is_written_in_half_precision_without_paths(tune: Tune, body: Path):
    folder = tune()
    assert {value.dtype for value in weights(folder).values()} == {torch.float16}
    assert {path.name for path in folder.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    assert str(body) not in (folder / "adapter_config.json").read_text()


@pytest.mark.parametrize(("epochs", "steps"), [(1, 3), (2, 6), (0.5, 2), (0.01, 1)])
def test_steps_are_the_epochs(rows: Examples, body: Path, tmp_path: Path, epochs: float, steps: int):
    record = finetune(replace(SPEC, epochs=epochs), body, AutoTokenizer.from_pretrained(body), rows, 2, tmp_path)
    assert (record["rows"], record["steps"]) == (20, steps)


def test_global_random_state_is_left_alone(tune: Tune):
    torch.manual_seed(5)
    before, python_before = torch.get_rng_state(), random.getstate()
    tune()
    assert torch.equal(torch.get_rng_state(), before)
    assert random.getstate() == python_before


def test_global_random_state_decides_nothing(tune: Tune):
    torch.manual_seed(5)
    one = written(tune(out="one"))
    torch.manual_seed(6)
    assert written(tune(out="two")) == one


def test_training_can_be_cancelled(tune: Tune):
    def stop(_stage: str, done: int, _total: int) -> None:
        if done == 2:
            raise InterruptedStudy("stop")

    with pytest.raises(InterruptedStudy):
        tune(report=stop)


def test_training_goes_on_from_an_adapter(tune: Tune):
    first = tune(out="first")
    before = weights(first)
    still = weights(tune(replace(SPEC, learning_rate=1e-12), "second", start=first))
    moved = weights(tune(SPEC, "third", start=first))
    assert all(torch.equal(still[name], value) for name, value in before.items())
    assert not any(torch.equal(moved[name], value) for name, value in before.items())


def test_merged_member_says_what_its_adapter_says(tune: Tune, body: Path, victim: Victim):
    folder = tune()
    batch = victim.tokenizer(["good film", "a slow and dull plot"], padding=True, return_tensors="pt")
    merged, adapted = merged_member(body, folder).eval(), resumed(body, 2, folder).eval()
    with torch.no_grad():
        assert torch.allclose(merged(**batch).logits, adapted(**batch).logits, atol=1e-5)
    assert {p.dtype for p in merged.parameters()} == {torch.float32}
    assert not [name for name in merged.state_dict() if "lora" in name]


def test_average_of_adapters_is_that_of_the_merged_members(tune: Tune, body: Path):
    folders = [tune(out="one"), tune(replace(SPEC, seed=2), out="two")]
    wanted = average_states([merged_member(body, folder).state_dict() for folder in folders])
    found = average_adapters(body, folders).state_dict()
    assert all(torch.equal(found[name], value) for name, value in wanted.items())


def test_adapter_without_a_classifier_cannot_be_merged(tune: Tune, body: Path):
    folder = tune()
    kept = {name: value for name, value in weights(folder).items() if "classifier" not in name}
    save_file(kept, folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="holds no classifier"):
        merged_member(body, folder)


def gradients(model: Any, step: Callable[[], float]) -> tuple[float, dict[str, Tensor]]:
    model.zero_grad()
    loss = step()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return loss, found


@pytest.fixture
def batch(victim: Victim) -> tuple[dict[str, Tensor], Tensor]:
    """(a padded batch, its labels)"""
    return dict(victim.tokenizer(["good film", "a slow and very dull plot"], padding=True, return_tensors="pt")), \
        torch.tensor([1, 0])  # fmt: skip


def test_plain_loss_is_the_cross_entropy(victim: Victim, batch: tuple[dict[str, Tensor], Tensor]):
    inputs, labels = batch
    wanted = torch.nn.functional.cross_entropy(victim.model(**inputs).logits, labels)
    assert plain_loss(victim.model, inputs, labels) == pytest.approx(wanted.item(), rel=1e-6)


def test_freelb_without_perturbation_is_the_plain_loss(victim: Victim, batch: tuple[dict[str, Tensor], Tensor]):
    inputs, labels = batch
    spec = replace(SPEC, adversarial="freelb", adv_steps=3, adv_init=0.0, adv_lr=1e-12)
    loss, found = gradients(victim.model, lambda: freelb_loss(victim.model, inputs, labels, spec))
    wanted_loss, wanted = gradients(victim.model, lambda: plain_loss(victim.model, inputs, labels))
    del wanted["bert.embeddings.word_embeddings.weight"]  # the perturbed embeddings are given, not looked up
    assert loss == pytest.approx(wanted_loss, rel=1e-5)
    assert found.keys() == wanted.keys()
    assert all(torch.allclose(found[name], wanted[name], rtol=1e-3, atol=1e-5) for name in wanted)


def embeddings_given(victim: Victim, batch: tuple[dict[str, Tensor], Tensor], spec: MemberSpec) -> list[Tensor]:
    """The perturbation of every ascent step, (rows, tokens, width)."""
    inputs, labels = batch
    clean = victim.model.get_input_embeddings()(inputs["input_ids"]).detach()
    given: list[Tensor] = []

    def spy(_module: object, _args: object, kwargs: dict[str, Tensor]) -> None:
        given.append(kwargs["inputs_embeds"].detach() - clean)

    hook = victim.model.register_forward_pre_hook(spy, with_kwargs=True)
    freelb_loss(victim.model, inputs, labels, spec)
    hook.remove()
    return given


def test_freelb_climbs_by_its_step(victim: Victim, batch: tuple[dict[str, Tensor], Tensor]):
    spec = replace(SPEC, adversarial="freelb", adv_steps=2, adv_init=0.0, adv_lr=0.7)
    start, after = embeddings_given(victim, batch, spec)
    assert not start.any()
    assert torch.allclose(after.flatten(1).norm(dim=1), torch.tensor([0.7, 0.7]), rtol=1e-3)


def test_freelb_climbs_up(victim: Victim, batch: tuple[dict[str, Tensor], Tensor]):
    spec = replace(SPEC, adversarial="freelb", adv_steps=2, adv_init=0.0, adv_lr=0.05)
    plain = plain_loss(victim.model, *batch)
    assert freelb_loss(victim.model, *batch, spec) > plain  # the mean of the loss before and after the ascent


def test_freelb_leaves_padding_alone(victim: Victim, batch: tuple[dict[str, Tensor], Tensor]):
    torch.manual_seed(0)
    spec = replace(SPEC, adversarial="freelb", adv_steps=3, adv_init=0.5)
    padding = batch[0]["attention_mask"] == 0
    for delta in embeddings_given(victim, batch, spec):
        assert not delta[padding].any()
        assert bool((delta[~padding].norm(dim=-1) > 0).all())


def test_freelb_member_differs_from_a_plain_one(tune: Tune):
    plain, adversarial = tune(out="plain"), tune(replace(SPEC, adversarial="freelb"), out="freelb")
    assert written(plain) != written(adversarial)


@pytest.mark.parametrize(
    "bad",
    [{"adversarial": "pgd"}, {"learning_rate": 0.0}, {"epochs": -1.0}, {"batch_size": 0}, {"rank": 0}, {"adv_steps": 0}],
)
def test_member_out_of_range(bad: dict[str, Any]):
    with pytest.raises(SettingError):
        replace(SPEC, **bad)
