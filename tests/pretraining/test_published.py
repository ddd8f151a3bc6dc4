"""Published weights: reading them without executing code, and training from them."""

import os
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from published_checkpoints import hara_2018, published_state

from workflow_scripts.evaluation.features import features
from workflow_scripts.evaluation.finetune import finetune
from workflow_scripts.evaluation.linear import linear
from workflow_scripts.evaluation.network import read_pretrained
from workflow_scripts.evaluation.results import Task
from workflow_scripts.evaluation.settings import Architecture, EvaluationSettings
from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.published import AUTHORS, HARA_2020, for_our_inputs, read_weights
from workflow_scripts.pretraining.resnet3d import ResNet3D, load_backbone


@pytest.fixture
def authors(monkeypatch):
    """Saves checkpoints like those of the authors, whose classes exist only while they are saved."""
    module = types.ModuleType("src.objectives.localagg")

    class MemoryBank:
        def __init__(self) -> None:
            self.bank_broadcast = [torch.rand(20, 128)]
            self.device = [torch.device("cpu")]

    class DotMap(OrderedDict):  # type: ignore[type-arg]
        def __reduce__(self):
            return type(self), (), {"_map": dict(self)}, None, iter(self.items())

    def save(state: dict[str, torch.Tensor], path: Path, legacy: bool) -> None:
        for name, kind in (("MemoryBank", MemoryBank), ("DotMap", DotMap)):
            kind.__module__, kind.__qualname__ = module.__name__, name
            setattr(module, name, kind)
        with monkeypatch.context() as patch:
            for name in ("src", "src.objectives", module.__name__):
                patch.setitem(sys.modules, name, module)
            checkpoint = {
                "model_state_dict": state,
                "optim_state_dict": {"state": {}, "param_groups": []},
                "memory_bank": MemoryBank(),
                "cluster_labels": [torch.zeros(3, 20, dtype=torch.int64)],
                "epoch": 199,
                "val_metric": np.float64(0.2),
                "config": DotMap(seed=1337, model_params=DotMap(out_dim=128)),
                "val_acc": np.array([0.1, 0.2]),
            }
            torch.save(checkpoint, path, _use_new_zipfile_serialization=not legacy)
        assert "src.objectives.localagg" not in sys.modules

    return save


def assert_backbone_is(
    model: dict[str, torch.Tensor], state: dict[str, torch.Tensor], but: tuple[str, ...] = ()
) -> None:
    expected = {name.removeprefix("module."): weight for name, weight in state.items()}
    names = {name for name in expected if not name.startswith("fc.") and name not in but}
    assert len(names) > 20 and all(torch.equal(model[name], expected[name]) for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_read_weights_hara_files_load_by_name(tmp_path, shortcut, legacy):
    """R3D-18 of full size, with the head of Kinetics' 400 classes, saved by DataParallel before torch 0.4.1."""
    state = published_state(shortcut, 400)
    path = tmp_path / "resnet-18-kinetics.pth"
    torch.save(hara_2018(state), path, _use_new_zipfile_serialization=not legacy)
    weights = read_weights(path)
    assert not weights.embeds and weights.bank is None
    model = ResNet3D(18, 128, shortcut=shortcut)
    load_backbone(model, weights.state_dict)
    assert_backbone_is(model.state_dict(), state)
    other = ResNet3D(18, 128, shortcut="AB"[shortcut == "A"])
    with pytest.raises(ValueError, match=r"downsample.*depth, width and shortcut"):
        load_backbone(other, weights.state_dict)


class _Torch03:
    """Replaces `pickle` in `torch.save` and writes tensors as torch did in 2017, with `_rebuild_tensor`."""

    dump = pickle.dump

    class Pickler(pickle.Pickler):
        def reducer_override(self, obj):
            if not isinstance(obj, torch.Tensor):
                return NotImplemented
            place = (obj.storage_offset(), tuple(obj.size()), obj.stride())
            return torch._utils._rebuild_tensor, (obj._typed_storage(), *place)


def test_read_weights_gpu_file_of_2017(tmp_path, monkeypatch):
    state = published_state("A", 400, width=0.125)
    path = tmp_path / "resnet-18-kinetics.pth"
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        torch.save(hara_2018(state), path, pickle_module=_Torch03, _use_new_zipfile_serialization=False)
    assert b"_rebuild_tensor\n" in path.read_bytes() and b"cuda:0" in path.read_bytes()
    assert_backbone_is(read_weights(path).state_dict, state)


@pytest.mark.slow
@pytest.mark.parametrize("legacy", [False, True])
def test_authors_files_load_without_their_classes(tmp_path, authors, legacy):
    state = published_state("B", 128, counts=True)
    path = tmp_path / "model_best.pth.tar"
    authors(state, path, legacy)
    with pytest.raises((ModuleNotFoundError, AttributeError)):
        torch.load(path, weights_only=False)
    weights = read_weights(path)
    assert weights.embeds and weights.bank is None  # its rows have no video ids
    model = ResNet3D(18, 128)
    load_backbone(model, weights.state_dict, head=True)
    assert_backbone_is(model.state_dict(), state, but=("bn1.running_mean", "bn1.running_var"))
    assert torch.equal(model.fc.weight, state["module.fc.weight"])


@pytest.mark.parametrize("unit", [AUTHORS, HARA_2020])
def test_for_our_inputs_outputs_are_equal(unit):
    state = {name.removeprefix("module."): w for name, w in published_state("B", 16, width=0.125).items()}
    theirs, ours = ResNet3D(18, 16, 0.125).eval(), ResNet3D(18, 16, 0.125).eval()
    load_backbone(theirs, state, head=True)
    load_backbone(ours, for_our_inputs(state, unit), head=True)
    clip = 60 * torch.randn(2, 3, 8, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(
            ours(clip), theirs(clip / torch.tensor(unit)[:, None, None, None]), rtol=1e-3, atol=1e-4
        )
    scale = for_our_inputs(state, unit)["conv1.weight"].norm() / state["conv1.weight"].norm()
    assert float(scale) == pytest.approx(1, rel=0.02)  # learning rates keep their effect


@pytest.mark.parametrize("legacy", [False, True])
def test_read_weights_executes_no_code(tmp_path, legacy):
    witness = tmp_path / "executed"

    class Command:
        def __reduce__(self):
            return os.system, (f"touch {witness}",)

    class Opened:
        def __reduce__(self):
            return open, (str(witness), "w")

    class Imported:
        def __reduce__(self):
            return eval, ("__import__('pathlib').Path(" + repr(str(witness)) + ").touch()",)

    state = published_state("A", 400, width=0.125)
    path = tmp_path / "evil.pth"
    checkpoint = {**hara_2018(state), "config": [{Opened(): Imported()}]}
    torch.save(checkpoint, path, _use_new_zipfile_serialization=not legacy)
    assert_backbone_is(read_weights(path).state_dict, state)
    checkpoint["config"].append(Command())
    torch.save(checkpoint, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(StageError, match=r"evil\.pth cannot be read as weights .*blocked"):
        read_weights(path)
    assert not witness.exists()
    torch.load(path, weights_only=False)
    assert witness.exists()  # so torch.load without weights_only executes it
    witness.unlink()

    path.write_bytes(pickle.dumps(Command()))
    with pytest.raises(StageError, match=r"evil\.pth cannot be read as weights"):
        read_weights(path)
    state["module.conv1.weight"] = Imported()  # type: ignore[assignment]
    torch.save(state, path)
    with pytest.raises(StageError, match="contains no weights of a network"):
        read_weights(path)
    assert not witness.exists()


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 truncated"])
def test_read_weights_other_files_are_an_error(tmp_path, content):
    path = tmp_path / "weights.pth"
    with pytest.raises(StageError, match=r"weights\.pth cannot be read"):
        read_weights(path)
    path.write_bytes(content)
    with pytest.raises(StageError, match=r"weights\.pth cannot be read as weights .*download or make it again"):
        read_weights(path)
    for checkpoint in ([1, 2], {}, {"state_dict": "none"}, {"model_state_dict": {}}, {"epoch": 3}):
        torch.save(checkpoint, path)
        with pytest.raises(StageError, match=r"weights\.pth contains no weights of a network; name a model\.pt"):
            read_weights(path)


def test_read_weights_flipped_bit_is_an_error(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"conv1.weight": torch.full((1000,), 2.0)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(torch.full((8,), 2.0).numpy().tobytes()) + 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(StageError, match=r"weights\.pth cannot be read .*checksum"):
        read_weights(path)


def test_read_weights_torchscript_program_is_an_error(tmp_path):
    path = tmp_path / "weights.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/constants.pkl", b"")
    with pytest.raises(StageError, match="TorchScript program"):
        read_weights(path)


TINY = {"depth": 18, "width": 0.125}


def test_train_zero_epochs_published_weights_can_be_evaluated(
    run_train, frames_files, videos_table, video_ids, tmp_path
):
    """`{objective: supervised, init: resnet-18-kinetics.pth, shortcut: A, epochs: 0}`, finetuned and few-shot."""
    state = published_state("A", 400, width=0.125)
    init = tmp_path / "resnet-18-kinetics.pth"
    torch.save(hara_2018(state), init)
    changed = {**TINY, "shortcut": "A", "epochs": 0}
    model = run_train("hara", "supervised", init=init, changed=changed)
    assert_backbone_is(model["state_dict"], state)
    assert model["classes"] == ["down", "right"] and model["bank"] is None and model["settings"]["shortcut"] == "A"

    splits = tmp_path / "splits.tsv"
    rows = [f"1\t{name}\t{('train', 'test')[n // 2 % 2]}\t{'ab'[n % 2]}" for n, name in enumerate(video_ids)]
    splits.write_text("\n".join(["split\tvideo_id\tpart\tlabel", *rows]) + "\n")
    quick = EvaluationSettings(clips=1, finetune_epochs=1, linear_shots=(1,), linear_draws=1)
    path = tmp_path / "hara" / "model.pt"
    task, network = Task("hara", 0, "toy"), {"settings": quick, "architecture": Architecture(), "model": path}
    features(splits, frames_files, tmp_path / "features.h5", 0, **network)
    linear(tmp_path / "features.h5", splits, tmp_path / "linear.json", task, quick)
    finetune(splits, frames_files, tmp_path / "finetune.json", task, tmp_path / "checkpoints", **network)
    assert (tmp_path / "linear.json").exists() and (tmp_path / "finetune.json").exists()


def test_read_pretrained_without_shortcut_setting_has_shortcut_b(run_train, tmp_path):
    model = run_train("old", changed={"epochs": 0})
    del model["settings"]["shortcut"]
    torch.save(model, tmp_path / "model.pt")
    pretrained = read_pretrained(tmp_path / "model.pt", Architecture(shortcut="A"))
    assert pretrained.architecture.shortcut == "B"
    assert any("downsample" in name for name in pretrained.network(2, seed=0).state_dict())


def test_train_init_authors_weights_embed_the_bank(run_train, authors, clusters_file, tmp_path):
    state = published_state("B", 16, width=0.125, counts=True)
    init = tmp_path / "authors.pth"
    authors(state, init, legacy=True)
    options = {"clusters": "idt", "clusters_file": clusters_file, "init": init}
    model = run_train("start", "local_aggregation", changed={**TINY, "epochs": 0}, **options)
    assert_backbone_is(model["state_dict"], state, but=("bn1.running_mean", "bn1.running_var"))
    assert torch.equal(model["state_dict"]["fc.weight"], state["module.fc.weight"])
    assert len(torch.unique(model["bank"], dim=0)) == 12  # the network embedded every video
    torch.testing.assert_close(model["bank"].norm(dim=1), torch.ones(12))
    other = run_train("other", "local_aggregation", seed=1, changed={**TINY, "epochs": 0}, **options)
    assert torch.equal(other["bank"], model["bank"])
    trained = run_train("trained", "local_aggregation", changed={**TINY, "epochs": 1}, **options)
    assert not torch.equal(trained["bank"], model["bank"])


def test_train_init_of_another_shape_is_an_error(run_train, tmp_path):
    init = tmp_path / "published.pth"
    torch.save(published_state("A", 400, width=0.125), init)  # a bare state dict
    with pytest.raises(StageError, match=r"published\.pth cannot start this run: .*shortcut"):
        run_train("b", init=init, changed={**TINY, "epochs": 0})
    assert run_train("a", init=init, changed={**TINY, "shortcut": "A", "epochs": 0})["bank"].shape == (12, 16)
