"""The stage that stores frames."""

import h5py
import numpy as np

from idt_tools.attributes import read_attributes
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import encode_frames, store_frames, stored_size


def test_stored_size_has_the_short_side_and_the_aspect_ratio():
    assert stored_size(160, 96, 48) == (80, 48)
    assert stored_size(64, 120, 48) == (48, 90)
    assert stored_size(40, 32, 48) == (60, 48)  # small videos are enlarged
    assert stored_size(100, 100, 48) == (48, 48)


def test_store_frames_describes_its_file(folder):
    with h5py.File(folder / "shard.h5") as file:
        attributes = read_attributes(file)
        assert attributes["stage"] == "frames" and '"short_side": 48' in attributes["parameters"]
        group = file["wide"]
        assert (group.attrs["width"], group.attrs["height"], group.attrs["fps"]) == (80, 48, 25)
        assert group["jpeg"].fletcher32 and group["offsets"].attrs["meaning"]
        assert group["offsets"][-1] == len(group["jpeg"])


def test_store_frames_does_not_decode_stored_videos_again(folder, tmp_path, caplog):
    caplog.set_level("DEBUG")
    store_frames(folder / "shard.tsv", tmp_path / "again.h5", folder / "store", FramesSettings(48, 95))
    assert "computed" not in caplog.text
    assert (tmp_path / "again.h5").read_bytes() == (folder / "shard.h5").read_bytes()


def test_encode_frames_of_too_large_frames_has_a_status() -> None:
    result = encode_frames([np.zeros((2, 1000, 3), np.uint8)], FramesSettings(short_side=240))
    assert result.status == "too_large" and "120000x240" in result.reason
    assert encode_frames([np.zeros((8, 1000, 3), np.uint8)], FramesSettings(short_side=240)).status == "ok"
