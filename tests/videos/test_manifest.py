"""The layout manifest: CSV files as different programs write them."""

import csv
import io
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.ground.artifacts import read_columns, read_json
from workflow_scripts.ground.stage import StageError
from workflow_scripts.videos.index_videos import index_videos
from workflow_scripts.videos.layouts.layout import Listed
from workflow_scripts.videos.listing import list_videos
from workflow_scripts.videos.settings import DatasetSettings

VIDEOS = [Listed("m/a.mp4", "run"), Listed("m/b.mp4", "walk")]


def read_manifest(root: Path, content: str | bytes) -> list[Listed]:
    manifest = root / "list.csv"
    manifest.write_bytes(content.encode() if isinstance(content, str) else content)
    return list_videos("d", DatasetSettings("manifest", str(root), manifest=str(manifest)), root)[1].videos


@pytest.mark.parametrize(
    "content",
    [
        "path,label\nm/a.mp4,run\nm/b.mp4,walk\n",
        "path, label\nm/a.mp4, run\nm/b.mp4, walk",  # blanks
        " Path ,LABEL \n m/a.mp4 , run \n m/b.mp4 , walk ",
        'path, label\nm/a.mp4, "run"\n"m/b.mp4","walk"\n',
        "path,label\r\nm/a.mp4,run\r\nm/b.mp4,walk\r\n",  # line ends of Windows
        "path,label\rm/a.mp4,run\rm/b.mp4,walk",  # and of an old Mac
        "\ufeffpath,label\nm/a.mp4,run\nm/b.mp4,walk\n",
        "path;label\nm/a.mp4;run\nm/b.mp4;walk\n",  # as saved where a comma is the decimal point
        "path\tlabel\nm/a.mp4\trun\nm/b.mp4\twalk\n",
        "path,label\nm/a.mp4,run\n\n,\nm/b.mp4,walk\n,,,\n",  # empty rows
        "label,path\nrun,m/a.mp4\nwalk,m/b.mp4\n",
        "path,label,notes,\nm/a.mp4,run,x,\nm/b.mp4,walk\n",
        "path,label\nm/../m/a.mp4,run\n./m//b.mp4,walk\nm/a.mp4,run\n",
        "path,label\nm/a.mp4,run\nm/b.mp4,walk\n".encode("utf-16"),
        "\ufeffpath,label\r\nm/a.mp4,run\r\nm/b.mp4,walk\r\n".encode("utf-16-be"),
    ],
)
def test_read_manifest_of_different_programs(tmp_path: Path, content: str | bytes) -> None:
    assert read_manifest(tmp_path, content) == VIDEOS


@given(
    st.lists(
        st.tuples(st.text("abc,;\"'\t\n =é日", min_size=1), st.text("xy,;\"'\n =é", min_size=1)),
        unique_by=lambda pair: pair[0].strip(),
        min_size=1,
    )
)
def test_read_manifest_with_quoted_cells(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    pairs = [(path.strip() or "x", label.strip()) for path, label in pairs]
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("path", "label"), *pairs])
    videos = read_manifest(tmp_path_factory.mktemp("manifest"), text.getvalue())
    assert {(video.path, video.label) for video in videos} == set(pairs)


@pytest.mark.parametrize(
    "content, message",
    [
        ("file,label\na.mp4,x\n", r"list.csv: the first line must name the columns `path`; it names file, label"),
        ("", r"list.csv: the first line must name the columns `path`"),
        (
            "path,Class\na.mp4,x\n",
            r"list.csv: .* no column `label`, but a column 'class'; rename that to label, or add",
        ),
        ("path,labels\na.mp4,x\n", r"no column `label`, but a column 'labels'"),
        ("path,label,Label\na.mp4,x,y\n", r"names the column 'label' twice"),
        ("path,label,split1,split 1\na.mp4,x,train,test\n", r"two columns describe split 1 "),
        ("path,label\na.mp4,x,y\n", r"list.csv, line 2: it has 3 cells, and the first line names 2 columns"),
        ('path,label\na.mp4,x\n"b.mp4,y\nc.mp4,z\n', r"list.csv, line 4: it is not a line of a CSV file"),
        ("path,label\n,x\n", r"list.csv, line 2: the path is empty"),
        (
            "path,label\na.mp4,x\nb.mp4,x\n./a.mp4,y\n",
            r"list.csv, line 4: line 2 gives the same video .* label.*; remove",
        ),
        ("path,label\nm/\xe9.mp4,a\n".encode("cp1252"), r"list.csv, line 2: .* not UTF-8; .* \(in Excel: CSV UTF-8\)"),
        ("path,label\nm/s.mp4,caf\xe9\n".encode("cp1252"), r"list.csv, line 2: .* not UTF-8"),
        ("path,caf\xe9\nm/s.mp4,x\n".encode("cp1252"), r"list.csv, line 1: .* not UTF-8"),
        ("path,label\na.mp4,x\n".encode("utf-16-le"), r"list.csv: it contains zero bytes"),
        ("path,label\na.mp4,x\n".encode("utf-16") + b"\0", r"list.csv: it cannot be read: .*utf-16"),
    ],
)
def test_read_manifest_malformed_or_ambiguous(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(StageError, match=message) as error:
        read_manifest(tmp_path, content)
    assert "\n" not in str(error.value)


def test_read_manifest_without_labels(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_manifest(tmp_path, "path,fps\na.mp4,25\n") == [Listed("a.mp4")]
    assert "list.csv has no column `label`, so the videos have no labels" in caplog.text
    caplog.clear()
    assert read_manifest(tmp_path, "path,label\na.mp4,\n") == [Listed("a.mp4")]
    assert "no column" not in caplog.text


def test_read_manifest_split_columns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    content = (
        "path,label,Split ,split_2,split3_of,split_source\na,x,Training,test,train,set=1\nb,y,not used,TRAIN,,a b\n"
    )
    assert [video.splits for video in read_manifest(tmp_path, content)] == [
        ((1, "train"), (2, "test")),
        ((2, "train"),),
    ]
    assert "neither train nor test are ignored: 1 'not used'" in caplog.text
    assert "columns that are not read: split3_of, split_source" in caplog.text


def test_read_manifest_name_not_utf8(tmp_path: Path) -> None:
    name = b"caf\xe9.mp4"
    (tmp_path / os.fsdecode(name)).touch()
    (video,) = read_manifest(tmp_path, b"path,label\n" + name + b",a\n")
    assert os.fsencode(video.path) == name


def test_read_manifest_name_with_blanks_at_its_ends(tmp_path: Path) -> None:
    (tmp_path / " a.mp4 ").touch()
    assert read_manifest(tmp_path, 'path,label\n" a.mp4 ",x\n') == [Listed(" a.mp4 ", "x")]


def test_read_manifest_path_up_from_a_link(tmp_path: Path) -> None:
    for path in ("root/m/a.mp4", "other/m/a.mp4", "other/deep/x"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "root" / "link").symlink_to("../other/deep")
    videos = read_manifest(tmp_path / "root", "path,label\nm/a.mp4,x\nlink/../m/a.mp4,y\n")
    assert {(video.path, video.label) for video in videos} == {("m/a.mp4", "x"), ("link/../m/a.mp4", "y")}


def test_index_videos_label_with_the_words_of_a_split(shared: Path, tmp_path: Path) -> None:
    """Such a label once changed the splits, which were stored as text like `split1=train`."""
    hostile_label = "train label=EVIL video_id=other"
    samples = sorted(path.name for path in (shared / "videos" / "samples").glob("*.avi"))[:4]
    rows = [
        (name, hostile_label if number % 2 else "b", ("train", "test")[number // 2])
        for number, name in enumerate(samples)
    ]
    text = io.StringIO()
    csv.writer(text).writerows([("path", "label", "split1", "split2"), *((*row, hostile_label) for row in rows)])
    (tmp_path / "list.csv").write_text(text.getvalue())
    root = str(shared / "videos" / "samples")
    settings = DatasetSettings("manifest", root, manifest=str(tmp_path / "list.csv"), splits="column")
    index_videos("d", tmp_path / "results" / "index.tsv", settings)
    ids = {Path(row["path"]).name: row["video_id"] for row in read_columns(tmp_path / "results" / "index.tsv")}
    splits = read_columns(tmp_path / "results" / "splits.tsv")
    assert {(row["video_id"], row["label"], row["part"]) for row in splits} == {
        (ids[name], label, part) for name, label, part in rows
    }
    assert {row["split"] for row in splits} == {"1"}


@pytest.mark.parametrize(
    "table, reason, splits",
    [
        ("path,label\nm/s1.mp4,a\nm/s2.mp4,b\nm/s3.mp4,\n", "a label for every video .*, but 1 have none", "auto"),
        ("path,label\nm/s1.mp4,a\nm/s2.mp4,b\nm/s3.mp4,c\n", "a label with at least two usable videos", "auto"),
        ("path,label\nm/s1.mp4,a\n", "a label with at least two usable videos", "auto"),
        ("path,label\nm/s1.mp4,\nm/s2.mp4,\n", "its videos have no labels", "auto"),
        ("path,label,split\nm/s1.mp4,a,train\nm/s2.mp4,b,\n", "split 1: no usable video is in the test part", "column"),
        ("path,label\nm/s1.mp4,a\nm/s2.mp4,b\n", "leave_one_group_out needs a group", "leave_one_group_out"),
    ],
)
def test_index_videos_notes_why_there_are_no_splits(
    shared: Path, tmp_path: Path, table: str, reason: str, splits: str
) -> None:
    (tmp_path / "list.csv").write_text(table)
    root = str(shared / "videos" / "reported" / "partly_labelled")
    settings = DatasetSettings("manifest", root, manifest=str(tmp_path / "list.csv"), splits=splits)
    results = tmp_path / "results"
    index_videos("d", results / "index.tsv", settings)
    assert len(read_columns(results / "index.tsv")) == table.count("mp4")
    assert read_columns(results / "splits.tsv") == []
    assert re.search(reason, read_json(results / "splits.json")["reason_for_none"])


REPORTED = {
    "manifest_split_values/split_blank.csv": {"s1": ("a", "train"), "s2": ("b", "test")},
    "manifest_split_values/split_value_blank.csv": {"s1": ("a", "train"), "s2": ("b", "test"), "s4": ("b", "train")},
    "manifest_blank_in_header/header_blank.csv": {"s1": "a", "s2": "b", "s3": "a", "s4": "b"},
    "manifest_blank_in_header/label_capital.csv": {"s1": "a", "s2": "b"},
}


@pytest.mark.parametrize("name", REPORTED)
def test_index_videos_of_reported_manifests(shared: Path, tmp_path: Path, name: str) -> None:
    manifest = shared / "videos" / "reported" / name
    kind = "column" if "split" in manifest.name else "auto"
    settings = DatasetSettings("manifest", str(manifest.parent), manifest=str(manifest), splits=kind)
    index_videos("d", tmp_path / "index.tsv", settings)
    if kind == "column":
        rows = read_columns(tmp_path / "splits.tsv")
        assert {row["video_id"][:2]: (row["label"], row["part"]) for row in rows} == REPORTED[name]
    else:
        rows = read_columns(tmp_path / "index.tsv")
        assert {row["video_id"][:2]: row["label"] for row in rows} == REPORTED[name]
