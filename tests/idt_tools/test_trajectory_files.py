"""Reading trajectories from text of the original extractor, from files of `idt extract`, and from other files."""

import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import idt_tools
from idt_tools import ReadingFailed, _core, cli, trajectory_files
from idt_tools.trajectory_files import find_rows, read_rows, read_text_rows

LINE = "15\t" + "\t".join(f"{i / 7:.6f}" for i in range(435)) + "\n"


def joined(path: Path) -> np.ndarray:
    """Returns all rows (n, 436) of a file."""
    return np.concatenate([np.hstack([block.info, block.descriptors]) for block in read_rows(path)])


@pytest.mark.parametrize("ending", [".txt", ".h5"])
def test_read_rows_of_extract(video: Path, tmp_path: Path, ending: str) -> None:
    output = tmp_path / f"square{ending}"
    assert cli.main(["extract", str(video), "-o", str(output)]) == 0
    expected = idt_tools.extract(idt_tools.read_video(video))
    # 6 decimals of numbers that are frames and pixels; float16 of numbers up to 1
    np.testing.assert_allclose(joined(output)[:, :10], expected.info, rtol=1e-6, atol=5.1e-7)
    np.testing.assert_allclose(joined(output)[:, 10:], expected.descriptors, rtol=5e-4, atol=6e-7)


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["carphone_176x144_120", "person01_boxing_d1", "v_Bowling_g01_c01"])
def test_read_rows_of_original(shared: Path, tmp_path: Path, clip: str) -> None:
    reference = np.load(shared / "idt_reference" / f"{clip}.npz")
    info = reference["info"][reference["descriptor_rows"]]
    rows = np.hstack([info, reference["descriptors"].astype(np.float32)])[::2]
    # %d\t for the frame, %f\t for all others, so that a line ends in a tab
    lines = [f"{row[0]:.0f}\t" + "".join(f"{value:f}\t" for value in row[1:]) + "\n" for row in rows.tolist()]
    with gzip.open(tmp_path / "clip.txt.gz", "wt") as file:
        file.writelines(lines)
    read = joined(tmp_path / "clip.txt.gz")
    assert len(read) > 500
    np.testing.assert_allclose(read, rows, rtol=1e-6, atol=5.1e-7)
    # A time cell is the mean of 5 vectors of length 1 without negative entries
    for part, n_cells in (("hog", 3), ("hof", 3), ("mbhx", 3), ("mbhy", 3)):
        cells = read[:, 10:][:, idt_tools.columns.CHANNELS[part]].reshape(len(read), n_cells, -1)
        energy = np.square(cells).sum(axis=2)
        assert energy.max() < 1.01
        assert energy.min() > 0.19


@given(
    n_rows=st.integers(0, 6), gz=st.booleans(), separator=st.sampled_from(["\t", " "]), end=st.sampled_from(["", "\t"])
)
def test_read_text_rows_in_blocks(
    tmp_path_factory: pytest.TempPathFactory, n_rows: int, gz: bool, separator: str, end: str
) -> None:
    rows = np.random.default_rng(n_rows).normal(size=(n_rows, 436)).astype(np.float32)
    text = "".join(separator.join(f"{value:.9g}" for value in row) + end + "\n" for row in rows.tolist())
    path = tmp_path_factory.mktemp("rows") / "rows.txt"
    path.write_bytes(gzip.compress(text.encode()) if gz else text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trajectory_files, "BLOCK_ROWS", 2)
        blocks = list(read_text_rows(path))
    assert [len(block) for block in blocks] == [2] * (n_rows // 2) + [1] * (n_rows % 2)
    block_rows = [np.hstack([block.info, block.descriptors]) for block in blocks]
    assert np.array_equal(np.concatenate([np.empty((0, 436)), *block_rows]), rows)


NUMBERS = st.one_of(
    st.floats(width=32).map(str), st.integers(-(10**9), 10**9).map(str), st.floats(-1e6, 1e6).map("{:.6f}".format)
)


@given(
    rows=st.lists(st.lists(NUMBERS, min_size=3, max_size=3), max_size=5), separator=st.sampled_from([" ", "\t", " \t"])
)
@example(rows=[["1e-400", "1e400", "-0"]], separator=" ")
def test_parse_rows_equals_loadtxt(rows: list[list[str]], separator: str) -> None:
    text = "\n\n".join(separator.join(row) for row in rows)
    parsed = _core.parse_rows(text.encode(), 3)
    expected = np.loadtxt(text.splitlines(), np.float32, ndmin=2) if rows else np.empty((0, 3), np.float32)
    if parsed is None:  # inf, nan or a number beyond the doubles, which read_text_rows then leaves to Python
        assert any(letter in word for row in rows for word in row for letter in "ein")
    else:
        assert parsed.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "text", ["1 2", "1 2 3 4", "1 2 3\n4", "1 2 x", "1 2 3x", "1,2,3", "1 2 +3", "1 2 \0", "1 2 0x1"]
)
def test_parse_rows_leaves_other_text(text: str) -> None:
    assert _core.parse_rows(text.encode(), 3) is None


def test_read_text_rows_reads_lazily(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text(LINE * 3000 + "and here it breaks\n")
    first_two = list(itertools.islice(read_text_rows(path), 2))
    assert sum(len(block) for block in first_two) == 2 * trajectory_files.BLOCK_ROWS


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (LINE + LINE + "1 2 3\n", "line 3: it holds 3 columns, not 436"),
        (LINE + "\t".join(["0.5"] * 426) + "\n", "line 2: it holds 426 columns, not 436"),
        ("\t".join(["0.5"] * 426) + "\n", "line 1: it holds 426 columns, not 436"),
        ("\n" + LINE + LINE.replace("0.142857", "O.142857"), "line 3: 'O.142857' is not a number"),
        (LINE.replace("0.142857", "1_5"), "line 1: '1_5' is not a number"),
        (LINE.replace("0.142857", "nan(1)"), r"line 1: 'nan\(1\)' is not a number"),
        (LINE + "# " + LINE, "line 2: it holds 437 columns"),
        (LINE + LINE[:-40], "line 2: it holds 43"),  # truncated
    ],
)
def test_read_text_rows_wrong_line_is_named(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "rows.txt"
    path.write_text(content)
    with pytest.raises(ValueError, match=f"^{path}, {sentence}"):
        list(read_text_rows(path))


def test_read_text_rows_damaged_gzip(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt.gz"
    lines = [LINE.replace("0.142857", f"{seed}.5") for seed in range(3000)]
    whole = gzip.compress("".join(lines).encode())
    path.write_bytes(whole[:-20])
    with pytest.raises(ValueError, match=f"^{path}: it is truncated or damaged after line 2048"):
        list(read_text_rows(path))
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :])
    with pytest.raises(ValueError, match=f"^{path}"):
        list(read_text_rows(path))


@pytest.mark.parametrize("name", ["rows.txt", "rows.h5"])
def test_read_rows_other_file(video: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(ReadingFailed, match="there is no such file"):
        list(read_rows(path))
    path.write_bytes(video.read_bytes())
    with pytest.raises(ValueError, match=f"^{path}"):
        list(read_rows(path))


def test_find_rows_by_label_and_stem(tmp_path: Path) -> None:
    video = Path("/videos/walk/v_01.avi")
    assert find_rows(tmp_path, video) is None
    (tmp_path / "walk").mkdir()
    for name in ("v_01.h5", "v_01.txt", "v_01.txt.gz", "walk/v_01.h5", "walk/v_01.txt.gz"):  # the last one counts
        (tmp_path / name).touch()
        assert find_rows(tmp_path, video) == tmp_path / name
    assert find_rows(tmp_path, Path("/videos/run/v_02.avi")) is None
    assert find_rows(tmp_path, Path("/videos/run/v_01.avi")) == tmp_path / "v_01.txt.gz"
