"""Files that were crafted to fill the memory, to take very long or to imitate another kind of file."""

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idt_tools import person_boxes
from idt_tools.attributes import read_attributes
from idt_tools.codebook import Codebook
from idt_tools.count_sketch import draw_sketch
from idt_tools.person_boxes import boxes_by_frame, read_bb, read_coco, write_bb
from idt_tools.trajectory_files import read_boxes, read_rows, read_text_rows
from idt_tools.untrusted_hdf5 import checked_array, opened_hdf5

# Reads files in a separate process, and prints the outcome of each file and the peak memory of the process.
READ = """
import json, sys, time
from pathlib import Path
from idt_tools import cli
from idt_tools.codebook import Codebook
from idt_tools.trajectory_files import read_boxes, read_rows
from workflow_scripts.persons.box_files import boxes_of_file

def read(kind, path):
    if kind == "inspect":
        return cli.main(["inspect", str(path)])
    if kind == "persons.files":
        result = boxes_of_file(path, {"width": "100", "height": "100", "n_frames": "50"})
        return f"{result.status}: {result.reason}"
    try:
        readers = {"rows": lambda: sum(map(len, read_rows(path))), "codebook": lambda: Codebook.load(path)}
        return str(readers[kind]())
    except ValueError as error:
        return f"ValueError: {error}"

for kind, path in json.loads(sys.argv[1]):
    start = time.process_time()
    outcome = read(kind, Path(path))
    print("OUTCOME", json.dumps([outcome, time.process_time() - start]))
# resource.getrusage would count the memory of the test's own process, which starts this one.
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("MEGABYTES", int(peak) // 1024)
"""


def outcomes(files: list[tuple[str, Path]]) -> list[str | int]:
    """Returns the outcome of each file, after a check that each took little time and all took little memory."""
    work = json.dumps([(kind, str(path)) for kind, path in files])
    done = subprocess.run([sys.executable, "-c", READ, work], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    results = [json.loads(line.removeprefix("OUTCOME ")) for line in done.stdout.splitlines() if line[:7] == "OUTCOME"]
    assert max(seconds for _, seconds in results) < 10
    assert int(done.stdout.rsplit("MEGABYTES ")[1]) < 1024
    return [outcome for outcome, _ in results]


def test_crafted_files_one_sentence_each(shared: Path, tmp_path: Path) -> None:
    hostile = shared / "videos" / "hostile"
    (tmp_path / "deep.json").write_bytes(gzip.decompress((hostile / "deep.json.gz").read_bytes()))
    expected = {
        ("inspect", hostile / "attrs.h5"): 0,
        ("inspect", hostile / "attrs2.h5"): 0,
        ("inspect", hostile / "attrs3.h5"): 0,
        ("inspect", hostile / "dims.h5"): 0,  # only its shape is shown
        ("inspect", hostile / "dims_status.h5"): 1,
        ("inspect", hostile / "lying_header.avi"): 1,
        ("persons.files", hostile / "dims.h5"): "no_boxes: dims.h5: boxes claims 24000000000 bytes",
        ("persons.files", hostile / "bigint.json"): "no_boxes: bigint.json, detection 0: expected image_id",
        ("persons.files", hostile / "str.json"): "no_boxes: str.json, detection 0: expected image_id",
        ("persons.files", tmp_path / "deep.json"): "no_boxes: deep.json: it is not a JSON list of detections",
        ("rows", hostile / "rows.h5"): f"ValueError: {hostile}/rows.h5: info claims 40000000000 bytes",
        ("rows", hostile / "scalar.h5"): f"ValueError: {hostile}/scalar.h5: info and descriptors are () and ()",
        ("rows", hostile / "grp.h5"): f"ValueError: {hostile}/grp.h5: info is not a dataset",
        ("codebook", hostile / "rows.h5"): f"ValueError: {hostile}/rows.h5 is not a readable codebook",
    }
    for outcome, (file, sentence) in zip(outcomes(list(expected)), expected.items(), strict=True):
        assert outcome == sentence if isinstance(sentence, int) else str(outcome).startswith(sentence), (file, outcome)


def test_compression_bombs_take_little_memory_and_time(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "line.txt.gz", "wb", 1) as file:
        for _ in range(300):
            file.write(b"1" * 2**20)  # a line of 300 MB
    (tmp_path / "lists.json").write_text("[" + "[[],[]]," * 2**21 + "{}]")
    (tmp_path / "element.json").write_text("[[" + "[]," * 2**23 + "[]]]")
    (tmp_path / "boxes.bb").write_text("0 " + "1 " * 2**23)
    with h5py.File(tmp_path / "zeros.h5", "w") as file:
        file.create_dataset("boxes", (10**8, 6), "f4", chunks=(2**16, 6), compression="gzip")[: 2**16] = np.zeros(
            (2**16, 6)
        )
    files = [("rows", tmp_path / "line.txt.gz")]
    files += [("persons.files", tmp_path / name) for name in ("lists.json", "element.json", "boxes.bb", "zeros.h5")]
    results = outcomes(files)
    assert str(results[0]).endswith(
        "line 1: it holds 1 columns, not 436, as the original extractor writes (10 of info, then 426 of the descriptor)"
    )
    assert all(str(outcome).startswith("no_boxes") for outcome in results[1:]), results


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), max_size=30))
def test_boxes_by_frame_keeps_order(numbers: list[tuple[int, int]]) -> None:
    rows = np.array([[frame, place, 1, 2, 3, 0.5] for frame, place in numbers]).reshape(-1, 6)
    by_frame = boxes_by_frame(rows)
    assert by_frame is not None and list(by_frame) == sorted({frame for frame, _ in numbers})
    for frame, boxes in by_frame.items():
        assert boxes[:, 0].tolist() == [place for other, place in numbers if other == frame]
        assert boxes.shape[1] == 4


def test_boxes_by_frame_is_linear_in_time(tmp_path: Path) -> None:
    """The time is linear in the number of frames. A quadratic version took a minute for 80,000 frames."""
    n_frames = 80_000
    boxes = np.tile(np.array([[0, 1, 2, 30, 40, 0.5]], np.float32), (2 * n_frames, 1))
    boxes[:, 0] = np.arange(2 * n_frames) // 2
    start = time.process_time()
    by_frame = boxes_by_frame(boxes)
    assert time.process_time() - start < 5 and by_frame is not None and len(by_frame) == n_frames
    write_bb(tmp_path / "a.bb", boxes, n_frames, 100, 100)
    np.testing.assert_array_equal(read_bb(tmp_path / "a.bb"), boxes)
    assert time.process_time() - start < 30


@given(
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from([1, 2]), st.floats(0, 1, width=32)), max_size=40),
    st.sampled_from([None, 1, "\t"]),
)
def test_read_coco_in_pieces(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[int, int, float]], indent: int | str | None
) -> None:
    detections = [
        {"image_id": frame, "category_id": kind, "bbox": [1, 2.5, frame, 4], "score": score, "text": "][,{"}
        for frame, kind, score in entries
    ]
    path = tmp_path_factory.mktemp("coco") / "a.json"
    path.write_text(json.dumps(detections, indent=indent))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(person_boxes, "_BLOCK", 300)
        patch.setattr(person_boxes, "_MAX_LENGTH", 250)
        boxes = read_coco(path)
    people = sorted((row for row in entries if row[1] == 1), key=lambda row: (row[0], -row[2]))
    expected = [[frame, 1, 2.5, 1 + frame, 6.5, score] for frame, _, score in people]
    np.testing.assert_array_equal(boxes, np.array(expected, np.float32).reshape(-1, 6))


@pytest.mark.parametrize("text", ["", "[", "[1", "[1,", "[1]", "[}", "[] []", "[]1", "3", '"a"', "[{]", "[,]", "null"])
def test_read_boxes_invalid_json_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"^{path}") as refused:
        read_boxes(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", ["true", '"1"', "[1]", "null", "1" + "0" * 400, "9" * 5000, "1e999", "NaN"])
@pytest.mark.parametrize("key", ["image_id", "score", "bbox"])
def test_read_boxes_value_not_a_number(tmp_path: Path, key: str, value: str) -> None:
    values = {"image_id": "0", "category_id": "1", "bbox": "[1, 2, 3, 4]", "score": "0.5"}
    values[key] = f"[{value}, 2, 3, 4]" if key == "bbox" else value
    path = tmp_path / "a.json"
    path.write_text("[{" + ", ".join(f'"{name}": {text}' for name, text in values.items()) + "}]")
    if key == "score" and value in ("1e999", "NaN"):
        return  # a score is only stored
    with pytest.raises(ValueError, match=f"^{path}"):
        read_boxes(path)


def test_read_boxes_does_not_follow_links(tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    boxes = np.array([[0, 1, 2, 3, 4, 1]], np.float32)
    with h5py.File(secret, "w") as file:
        file["boxes"] = boxes
    (tmp_path / "raw").write_bytes(boxes.tobytes())
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["external/boxes"] = h5py.ExternalLink(str(secret), "boxes")
        file["soft/boxes"] = h5py.SoftLink("/external/boxes")
        layout = h5py.VirtualLayout((1, 6), "f4")
        layout[:] = h5py.VirtualSource(secret, "boxes", (1, 6))
        file.create_group("virtual").create_virtual_dataset("boxes", layout)
        file.create_group("raw").create_dataset("boxes", (1, 6), "f4", external=[(str(tmp_path / "raw"), 0, 24)])
        file["good/boxes"] = boxes
    for name in ("external", "soft", "virtual", "raw"):
        with pytest.raises(ValueError, match="not followed"):
            read_boxes(Path(f"{path}:{name}"))
    np.testing.assert_array_equal(read_boxes(Path(f"{path}:good")), boxes)


def test_checked_array_refuses_other_types(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["boxes"] = np.array(["text"] * 6, dtype=h5py.string_dtype()).reshape(1, 6)
        file["complex"] = np.ones((1, 6), complex)
        file["null"] = h5py.Empty("f4")
        file.attrs["many"] = ["a", "b"]
        file.attrs["one"] = "a"
        file.attrs["reference"] = file.ref
    with opened_hdf5(tmp_path / "a.h5") as file:
        for name in ("boxes", "complex", "null"):
            with pytest.raises(ValueError, match=f"{name} is of type"):
                checked_array(file, name)
        attributes = read_attributes(file)
    assert attributes["one"] == "a" and attributes["many"].startswith("(not read")
    assert attributes["reference"].startswith("(not read")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("gmm_means", np.nan, "not finite"),
        ("gmm_variances", 0, "not positive"),
        ("gmm_weights", -1, "not positive"),
        ("sketch_hash", 2000, "an index that the sketch does not have"),
        ("sketch_sign", 3, "other than -1 and 1"),
    ],
)
def test_codebook_load_impossible_numbers(tmp_path: Path, name: str, value: float, reason: str) -> None:
    draw = np.random.default_rng(0)
    k, d = 2, 3
    mixture = (np.full(k, 1 / k), np.ones((k, d)), np.ones((k, d)))
    axes = np.ones((d, 426), np.float32)
    Codebook(np.zeros(426, np.float32), axes, *mixture, *draw_sketch(2 * k * d, 2000, draw)).save(tmp_path / "c.h5")
    Codebook.load(tmp_path / "c.h5")
    with h5py.File(tmp_path / "c.h5", "r+") as file:
        values = file[name][:]
        values.flat[0] = value
        file[name][:] = values
    with pytest.raises(ValueError, match=f"c.h5 is not a readable codebook: .*{reason}"):
        Codebook.load(tmp_path / "c.h5")


def test_read_compressed_files(tmp_path: Path) -> None:
    """A still person in 10,000 frames compresses well, and the file is accepted."""
    boxes = np.tile(np.array([[0, 1, 2, 3, 4, 1]], np.float32), (10_000, 1))
    boxes[:, 0] = np.arange(10_000)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("boxes", data=boxes, compression="gzip", shuffle=True)
        file.create_dataset("info", data=np.zeros((3000, 10), np.float32), compression="lzf")
        file.create_dataset("descriptors", data=np.zeros((3000, 426), np.float16), compression="gzip")
    np.testing.assert_array_equal(read_boxes(tmp_path / "a.h5"), boxes)
    assert sum(map(len, read_rows(tmp_path / "a.h5"))) == 3000


def test_read_rows_refuses_pipe(tmp_path: Path) -> None:
    for name in ("a.h5", "a.txt"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(ValueError, match="regular file"):
            list(read_rows(tmp_path / name))
    with pytest.raises(ValueError, match="regular file"):
        list(read_text_rows(tmp_path / "a.txt"))
