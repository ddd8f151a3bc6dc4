"""UCF101, HMDB51 and Kinetics as they are distributed, with the odd names that the real ones have."""

import csv
import json
import os
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from workflow_scripts.configuration.config import SCHEMA

from workflow_scripts.ground.artifacts import read_columns
from workflow_scripts.ground.stage import StageError
from workflow_scripts.videos.index_videos import index_videos
from workflow_scripts.videos.layouts import LAYOUTS, OFFICIAL
from workflow_scripts.videos.layouts import hmdb51 as hmdb51_layout
from workflow_scripts.videos.layouts import kinetics as kinetics_layout
from workflow_scripts.videos.layouts import ucf101 as ucf101_layout
from workflow_scripts.videos.layouts.annotations import annotated_videos
from workflow_scripts.videos.layouts.layout import Annotated, Listing
from workflow_scripts.videos.listing import list_videos
from workflow_scripts.videos.settings import DatasetSettings


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def listing(layout: str, root: Path, annotations: Path) -> Listing:
    return list_videos("d", DatasetSettings(layout, str(root), annotations=str(annotations)), root)[1]


READERS = {
    "ucf101": ucf101_layout.read_videos,
    "hmdb51": hmdb51_layout.read_videos,
    "kinetics": kinetics_layout.read_videos,
}


def read_annotations(layout: str, annotations: Path) -> list[Annotated]:
    return annotated_videos(annotations, READERS[layout])


@pytest.fixture
def ucf101(tmp_path: Path) -> Path:
    """The split files, with the line ends of Windows that the distributed ones have."""
    folder = tmp_path / "ucfTrainTestlist"
    folder.mkdir()
    (folder / "classInd.txt").write_text("1 ApplyEyeMakeup\r\n37 HandstandPushups\r\n")
    trained = ["ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1", "HandstandPushups/v_HandStandPushups_g09_c02.avi 37"]
    tested = ["ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi", "HandstandPushups/v_HandStandPushups_g01_c01.avi"]
    (folder / "trainlist01.txt").write_text("\r\n".join([*trained, ""]))
    (folder / "testlist01.txt").write_text("\r\n".join([*tested, ""]))
    (folder / "trainlist02.txt").write_text("\r\n".join([tested[0] + " 1", trained[1], ""]))
    (folder / "testlist02.txt").write_text("\r\n".join([trained[0].removesuffix(" 1"), tested[1]]))
    return folder


def test_ucf101_has_the_labels_groups_and_splits_of_its_lists(ucf101: Path, tmp_path: Path) -> None:
    root = tmp_path / "UCF-101"
    touch(root, "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi", "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi")
    touch(root, "HandstandPushups/v_HandStandPushups_g01_c01.avi", "ApplyEyeMakeup/v_ApplyEyeMakeup_g25_c01.avi")
    listed = listing("ucf101", root, ucf101)
    videos, missing = listed.videos, listed.missing
    assert [(video.path, video.label, video.group) for video in videos] == [
        ("ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi", "ApplyEyeMakeup", "g01"),
        ("ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi", "ApplyEyeMakeup", "g08"),
        ("HandstandPushups/v_HandStandPushups_g01_c01.avi", "HandstandPushups", "g01"),
    ]
    assert [dict(video.splits) for video in videos] == [
        {1: "test", 2: "train"},
        {1: "train", 2: "test"},
        {1: "test", 2: "test"},
    ]
    assert [video.names for video in missing] == [("v_HandStandPushups_g09_c02",)]


@pytest.mark.parametrize("path", ["v_HandstandPushups_g09_c02.mp4", "HandStandPushups/v_HandstandPushups_g09_c02.avi"])
def test_ucf101_is_found_converted_renamed_or_without_folders(ucf101: Path, tmp_path: Path, path: str) -> None:
    touch(tmp_path / "videos", path)
    listed = listing("ucf101", tmp_path / "videos", ucf101)
    videos, missing = listed.videos, listed.missing
    assert [(video.path, video.label) for video in videos] == [(path, "HandstandPushups")] and len(missing) == 3


ODD = [
    "#437_How_To_Ride_A_Bike_ride_bike_f_cm_np1_le_med_0",
    "(HQ)_Rock_Climbing_-_Free_Solo_-_Dan_Osman_ride_bike_f_cm_np1_ba_med_0",
    "[1,2]_L'été & a blank; 100%!_ride_bike_u_nm_np1_fr_goo_7",
    "Mr._Bean.avi_ride_bike_u_nm_np1_fr_goo_1",
]


def test_hmdb51_has_the_odd_names_and_leaves_the_zeros_out(tmp_path: Path) -> None:
    folder = tmp_path / "testTrainMulti_7030_splits"
    folder.mkdir()
    for number, flags in (("1", "1201"), ("2", "0012"), ("3", "2210")):
        lines = [f"{name}.avi {flag} " for name, flag in zip(ODD, flags, strict=True)]
        (folder / f"ride_bike_test_split{number}.txt").write_text("\n".join([*lines, ""]))
        (folder / f"run_test_split{number}.txt").write_text("Film_run_f_cm_np1_ba_bad_0.avi 1 \n")
    root = tmp_path / "hmdb51_org"
    touch(root, *(f"ride_bike/{name}.avi" for name in ODD), "run/run/Film_run_f_cm_np1_ba_bad_0.avi")
    listed = listing("hmdb51", root, folder)
    videos, missing = listed.videos, listed.missing
    found = {Path(video.path).stem: video for video in videos}
    assert missing == [] and found.keys() == {*ODD, "Film_run_f_cm_np1_ba_bad_0"}
    assert [dict(found[name].splits) for name in ODD] == [
        {1: "train", 3: "test"},
        {1: "test", 3: "test"},
        {2: "train", 3: "train"},
        {1: "train", 2: "test"},
    ]
    assert {found[name].label for name in ODD} == {"ride_bike"}
    assert found[ODD[0]].group == "#437_How_To_Ride_A_Bike" and found["Film_run_f_cm_np1_ba_bad_0"].group == "Film"


NAMES = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="/\\"), min_size=1, max_size=20).map(
    lambda name: f"a {name} b"
)


@given(st.dictionaries(NAMES, st.tuples(*[st.sampled_from("012")] * 3), min_size=1, max_size=8))
def test_hmdb51_lists_are_read_back_whatever_the_names(videos: dict[str, tuple[str, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for split in range(3):
            lines = [f"{name}.avi {flags[split]} \n" for name, flags in videos.items()]
            (Path(folder) / f"brush_hair_test_split{split + 1}.txt").write_text("".join(lines), encoding="utf-8")
        read = {video.names[0]: dict(video.splits) for video in read_annotations("hmdb51", Path(folder))}
    part = {"1": "train", "2": "test"}
    assert read == {
        name: {split + 1: part[flag] for split, flag in enumerate(flags) if flag != "0"}
        for name, flags in videos.items()
    }


KINETICS = [  # label, YouTube id, start, end, part: among them ids that begin with - and _
    ("shooting goal (soccer)", "-3B32lodo2M", 59, 69, "train"),
    ("massaging person's head", "__NrybzYzUg", 415, 425, "train"),
    ("pâtisserie", "abcDEF01234", 0, 10, "validate"),
    ("yoga", "0-QwErTyUi_", 7, 17, "val"),
    ("yoga", "gone-gone-g", 1, 11, "train"),
    ("yoga", "in_the_test", 3, 13, "test"),
]


def _csv(path: Path, columns: str) -> Path:
    named = "label,youtube_id,time_start,time_end,split".split(",")
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns.split(","), extrasaction="ignore", restval="0")
        writer.writeheader()
        writer.writerows(dict(zip(named, row, strict=True)) for row in KINETICS)
    return path


def _json(path: Path) -> Path:
    entries = {
        youtube_id: {
            "annotations": {"label": label, "segment": [float(start), float(end)]},
            "duration": 10.0,
            "subset": {"train": "training", "test": "testing"}.get(part, "validation"),
            "url": f"https://www.youtube.com/watch?v={youtube_id}",
        }
        for label, youtube_id, start, end, part in KINETICS
    }
    path.write_text(json.dumps(entries))
    return path


@pytest.mark.parametrize("release", ["400.csv", "700.csv", "600.json"])
def test_kinetics_is_found_by_label_or_flat_and_what_is_gone_is_told(tmp_path: Path, release: str) -> None:
    columns = "label,youtube_id,time_start,time_end,split" + (",is_cc" if release == "400.csv" else "")
    file = tmp_path / release
    annotations = _json(file) if file.suffix == ".json" else _csv(file, columns)
    root = tmp_path / "kinetics"
    touch(root, "train/shooting goal (soccer)/-3B32lodo2M_000059_000069.mp4", "__NrybzYzUg_000415_000425.mkv")
    touch(root, "val/abcDEF01234.webm", "val/0-QwErTyUi_.mp4", "val/0-QwErTyUi__000007_000017.mp4")
    touch(root, "test/in_the_test_000003_000013.mp4", "stray_stray_000000_000010.mp4")
    listed = listing("kinetics", root, annotations)
    videos, missing = listed.videos, listed.missing
    soccer = "train/shooting goal (soccer)/-3B32lodo2M_000059_000069.mp4"
    assert {(video.path, video.label, video.group, *dict(video.splits).values()) for video in videos} == {
        (soccer, "shooting goal (soccer)", "-3B32lodo2M", "train"),
        ("__NrybzYzUg_000415_000425.mkv", "massaging person's head", "__NrybzYzUg", "train"),
        ("val/abcDEF01234.webm", "pâtisserie", "abcDEF01234", "test"),
        ("val/0-QwErTyUi__000007_000017.mp4", "yoga", "0-QwErTyUi_", "test"),
        ("test/in_the_test_000003_000013.mp4", "yoga", "in_the_test"),
    }
    assert [video.names[0] for video in missing] == ["gone-gone-g_000001_000011"]


def test_kinetics_in_a_folder_are_the_tables_or_else_the_json(tmp_path: Path) -> None:
    _json(tmp_path / "train.json")
    with_json = read_annotations("kinetics", tmp_path)
    _csv(tmp_path / "all.csv", "label,youtube_id,time_start,time_end,split")
    assert read_annotations("kinetics", tmp_path) == with_json and len(with_json) == len(KINETICS)


def test_a_clip_of_two_releases_is_one_video_as_the_first_has_it(tmp_path: Path) -> None:
    header = "label,youtube_id,time_start,time_end,split\n"
    annotations = tmp_path / "annotations"
    annotations.mkdir()
    (annotations / "kinetics400.csv").write_text(header + "run,in_both____,0,10,train\nrun,in_400_____,0,10,train\n")
    (annotations / "kinetics600.csv").write_text(
        header + "running,in_both____,0,10,val\nwalk,in_600_____,0,10,train\nwalk,in_both____,20,30,train\n"
    )
    root = tmp_path / "root"
    touch(root, "kinetics600/train/running/in_both_____000000_000010.mp4")
    touch(root, "kinetics400/run/in_both_____000000_000010.mp4", "kinetics400/run/in_400______000000_000010.mp4")
    touch(root, "kinetics600/train/walk/in_both_____000020_000030.mp4", "kinetics600/train/walk/in_600_____.mp4")
    listed = listing("kinetics", root, annotations)
    videos, missing = listed.videos, listed.missing
    assert missing == []
    assert {(video.path, video.label, *dict(video.splits).values()) for video in videos} == {
        ("kinetics400/run/in_both_____000000_000010.mp4", "run", "train"),
        ("kinetics400/run/in_400______000000_000010.mp4", "run", "train"),
        ("kinetics600/train/walk/in_both_____000020_000030.mp4", "walk", "train"),
        ("kinetics600/train/walk/in_600_____.mp4", "walk", "train"),
    }


def test_two_clips_of_one_video_have_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "label,youtube_id,time_start,time_end,split\nrun,abcdefghijk,0,10,train\nwalk,abcdefghijk,20,30,train\n"
    )
    touch(tmp_path, "abcdefghijk_000020_000030.mp4", "abcdefghijk_000000_000010.mp4")
    listed = listing("kinetics", tmp_path, tmp_path / "a.csv")
    videos, missing = listed.videos, listed.missing
    assert missing == [] and [video.label for video in videos] == ["run", "walk"]


@pytest.mark.parametrize(
    "layout, file, text, sentence",
    [
        ("ucf101", "notes.txt", "", r"it holds no split files \(trainlist01.txt, ...\)"),
        ("ucf101", "trainlist01.txt", "\nv_ApplyEyeMakeup_g01_c01.avi 1\n", r"trainlist01.txt, line 2: 'v_ApplyEye"),
        ("hmdb51", "run_test_split1.txt", "a.avi 1\nb.avi 3\n", r"run_test_split1.txt, line 2: 'b.avi 3' is not like"),
        ("kinetics", "readme.md", "", r"it holds no \*.csv or \*.json file"),
        (
            "kinetics",
            "a.csv",
            "label,id\n",
            r"a.csv: the first line .* has no `time_end`, `time_start`, `youtube_id`; it names label, id",
        ),
        ("kinetics", "a.csv", "youtube_id,time_start,time_end\nx,one,2\n", r"a.csv, line 2: time_start and time_end"),
        (
            "kinetics",
            "a.csv",
            "youtube_id,time_start,time_end\nx,1,2\nx,inf,2\n",
            r"a.csv, line 3: .* not 'inf' and '2'",
        ),
        ("kinetics", "a.csv", "youtube_id,time_start,time_end\nx,1,nan\n", r"a.csv, line 2: .* not '1' and 'nan'"),
        (
            "kinetics",
            "a.csv",
            "youtube_id,time_start,time_end\nx,1,2\n",
            r": no video in the annotations has a label",
        ),
        (
            "kinetics",
            "a.json",
            '{"x": {"annotations": {"segment": [Infinity, 1]}}}',
            r"a.json: it is no JSON of a Kinetics",
        ),
        ("kinetics", "a.json", "[" * 100000, r"a.json: it is no JSON of a Kinetics release"),
        (
            "hmdb51",
            "run_test_split1.txt",
            "a.avi 1\na.avi 2\n",
            r"run_test_split1.txt, line 2: .* into test, another line into train",
        ),
        ("ucf101", "trainlist01.txt", "a/v_a_g01_c01.avi 1\nb/\xff.avi 2\n", r"trainlist01.txt, line 2: .* not UTF-8"),
        ("kinetics", "a.json", "[]", r"a.json: it is no JSON of a Kinetics release"),
        ("kinetics", "a.json", '{"x": {"annotations": {}}}', r"a.json: it is no JSON of a Kinetics release"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(
    tmp_path: Path, layout: str, file: str, text: str, sentence: str
) -> None:
    (tmp_path / file).write_text(text, encoding="latin-1")
    with pytest.raises(StageError, match=sentence) as error:
        read_annotations(layout, tmp_path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


@pytest.mark.parametrize("kind", ["huge", "pipe"])
def test_kinetics_json_that_is_no_file_of_a_release_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.json"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.touch()
        os.truncate(path, 2**40)  # takes no room
    with pytest.raises(StageError, match=r"a.json: it is no JSON of a Kinetics release .* bytes; it may have up to"):
        read_annotations("kinetics", tmp_path)


def test_lists_that_disagree_on_a_video_are_told(ucf101: Path) -> None:
    with open(ucf101 / "trainlist01.txt", "a") as file:
        file.write("ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi 1\n")
    with pytest.raises(StageError, match=r"trainlist01.txt, line 3: .* into train, another line into test"):
        read_annotations("ucf101", ucf101)


def test_annotations_copied_from_a_mac_are_read_without_their_hidden_files(shared: Path) -> None:
    folder = shared / "videos" / "reported" / "appledouble_annotations"
    hmdb51 = read_annotations("hmdb51", folder / "hmdb51")
    assert {video.label for video in hmdb51} == {"brush_hair", "shoot_bow", "wave"}
    group = {video.names[0]: video.group for video in hmdb51}
    assert group["Bush_Wave_vs__Obama.avi_wave_u_cm_np1_le_med_6"] == "Bush_Wave_vs__Obama.avi"
    kinetics = read_annotations("kinetics", folder / "kinetics")
    assert {video.label for video in kinetics} == {"playing guitar", "archery", "tasting, food"}
    assert any((1, "test") in video.splits for video in kinetics)


def test_annotations_of_which_no_video_is_there_are_told(ucf101: Path, tmp_path: Path) -> None:
    touch(tmp_path / "root", "other.avi")
    with pytest.raises(StageError, match=r"no video that the annotations name is in .*/root; give another root"):
        listing("ucf101", tmp_path / "root", ucf101)


def hmdb51_by_hand(folder: Path) -> dict[tuple[str, str], dict[int, str]]:
    """(class, file name) -> {number of a split: part}, by plain string operations."""
    videos: dict[tuple[str, str], dict[int, str]] = {}
    for file in folder.glob("*_test_split[123].txt"):
        label, number = file.name.removesuffix(".txt").split("_test_split")
        for line in file.read_text().splitlines():
            name, flag = line.rsplit(maxsplit=1)
            parts = videos.setdefault((label, name), {})
            if flag != "0":
                parts[int(number)] = {"1": "train", "2": "test"}[flag]
    return videos


def test_the_real_lists_of_hmdb51_are_read_exactly(shared: Path, tmp_path: Path) -> None:
    """51 classes, 6,766 videos, 3 splits of 70 training and 30 test videos a class, as the dataset's page has it."""
    folder = shared / "videos" / "hmdb51_splits"
    by_hand = hmdb51_by_hand(folder)
    root = tmp_path / "hmdb51_org"
    touch(root, *(f"{label}/{name}" for label, name in by_hand))
    listed = listing("hmdb51", root, folder)
    videos, missing = listed.videos, listed.missing
    assert missing == [] and len(videos) == 6766 and len({video.label for video in videos}) == 51
    assert {tuple(video.path.split("/")): dict(video.splits) for video in videos} == by_hand
    counts = Counter((video.label, split, part) for video in videos for split, part in video.splits)
    assert len(counts) == 51 * 3 * 2
    assert {(part, number) for (_, _, part), number in counts.items()} == {("train", 70), ("test", 30)}


def test_the_film_of_every_real_name_of_hmdb51_is_what_stands_before_the_class_and_six_fields(shared: Path) -> None:
    for video in read_annotations("hmdb51", shared / "videos" / "hmdb51_splits"):
        (name,) = video.names
        fields = name.rsplit("_", 6)  # film and class, then visible parts to number
        assert video.group and f"{video.group}_{video.label}" == fields[0], name
    groups = {video.names[0]: video.group for video in read_annotations("hmdb51", shared / "videos" / "hmdb51_splits")}
    # Films whose titles hold the name of the class.
    assert groups["doppel_handstand_handstand_f_cm_np2_ba_med_0"] == "doppel_handstand"
    assert groups["how_to_do_a_cartwheel_cartwheel_f_cm_np1_ri_med_0"] == "how_to_do_a_cartwheel"


def test_the_real_clips_and_lists_of_ucf101_are_read_exactly(shared: Path, tmp_path: Path) -> None:
    """Three classes of 25 recordings with 3 clips each; in each split, 162 clips train and 63 test."""
    folder = shared / "videos" / "ucf101_subset"
    clips = {path.relative_to(folder / "videos").as_posix() for path in (folder / "videos").glob("*/*.avi")}
    by_hand = {
        (str(number), Path(clip).stem): (part, clip.split("/")[0], f"{clip.split('/')[0]} {Path(clip).stem[-7:-4]}")
        for number in (1, 2, 3)
        for part in ("train", "test")
        for line in (folder / "ucfTrainTestlist" / f"{part}list0{number}.txt").read_text().splitlines()
        if (clip := line.split()[0] if line.split() else "") in clips
    }
    settings = DatasetSettings("ucf101", str(folder / "videos"), annotations=str(folder / "ucfTrainTestlist"))
    names = {row["video_id"]: Path(row["path"]).stem for row in index(tmp_path, settings)}
    rows = read_columns(tmp_path / "splits.tsv")
    assert {
        (row["split"], names[row["video_id"]]): (row["part"], row["label"], row["group"]) for row in rows
    } == by_hand
    assert Counter((row["split"], row["part"]) for row in rows) == {
        (split, part): number for split in "123" for part, number in (("train", 162), ("test", 63))
    }
    assert Counter(row["group"] for row in rows if row["split"] == "1") == dict.fromkeys(
        {row["group"] for row in rows}, 3
    )
    assert len({row["group"] for row in rows}) == 75
    # No recording is in both parts, as the authors of the dataset have it.
    assert not {row["group"] for row in rows if (row["split"], row["part"]) == ("1", "train")} & {
        row["group"] for row in rows if (row["split"], row["part"]) == ("1", "test")
    }
    missing = read_columns(tmp_path / "missing.tsv")
    assert len(missing) + len(clips) == 13320


def index(folder: Path, settings: DatasetSettings) -> list[dict[str, str]]:
    index_videos("d", folder / "index.tsv", settings)
    return read_columns(folder / "index.tsv")


def test_real_videos_of_ucf101_are_indexed_and_the_missing_do_not_count_as_failed(shared: Path, tmp_path: Path) -> None:
    samples = shared / "videos" / "samples"
    names = sorted(path.stem for path in samples.glob("v_*.avi"))
    (tmp_path / "trainlist01.txt").write_text(f"Bowling/{names[2]}.avi 1\nIceDancing/{names[3]}.avi 2\n")
    lacking = "".join(f"Surfing/v_Surfing_g01_c0{number}.avi\n" for number in range(9))
    (tmp_path / "testlist01.txt").write_text(f"ApplyEyeMakeup/{names[0]}.avi\n{lacking}")
    settings = DatasetSettings("ucf101", str(samples), annotations=str(tmp_path), splits="official")
    rows = index(tmp_path / "results", settings)
    assert [Path(row["path"]).stem for row in sorted(rows, key=lambda row: row["path"])] == [names[0], *names[2:]]
    assert {row["status"] for row in rows} == {"ok"}
    parts = {row["label"]: row["part"] for row in read_columns(tmp_path / "results" / "splits.tsv")}
    assert parts == {"ApplyEyeMakeup": "test", "Bowling": "train", "IceDancing": "train"}
    unread = read_columns(tmp_path / "results" / "unread.tsv")
    assert len(unread) == 9 and {row["status"] for row in unread} == {"missing"}
    assert unread[0]["video_id"] == "Surfing/v_Surfing_g01_c00" and {row["part"] for row in unread} == {"test"}
    gone = read_columns(tmp_path / "results" / "missing.tsv")
    assert len(gone) == 9 and gone[0] == {
        "name": "v_Surfing_g01_c00",
        "label": "Surfing",
        "split": '{"1": "test"}',
    }


def test_of_the_training_part_alone_there_are_no_splits_and_the_table_of_the_missing_goes(
    shared: Path, tmp_path: Path
) -> None:
    samples, annotations = shared / "videos" / "samples", tmp_path / "train.csv"
    header = "label,youtube_id,time_start,time_end,split\n"
    here = "making pancakes,flipping_a_pancake,0,10,train\n"
    settings = DatasetSettings("kinetics", str(samples), annotations=str(annotations))
    annotations.write_text(header + here + "yoga,gone_gone_g,0,10,train\n")
    assert len(index(tmp_path / "results", settings)) == 1
    assert read_columns(tmp_path / "results" / "splits.tsv") == []
    assert len(read_columns(tmp_path / "results" / "missing.tsv")) == 1
    annotations.write_text(header + here)
    assert len(index(tmp_path / "results", settings)) == 1
    assert not (tmp_path / "results" / "missing.tsv").exists()


def test_the_schema_offers_every_layout_and_the_official_ones_have_annotations() -> None:
    schema = yaml.safe_load(SCHEMA.read_text())
    assert set(schema["$defs"]["dataset"]["properties"]["layout"]["enum"]) == set(LAYOUTS)
    assert OFFICIAL == ("ucf101", "hmdb51", "kinetics")
    assert all(LAYOUTS[name].source == "annotations" for name in OFFICIAL)
