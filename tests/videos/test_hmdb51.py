"""The layout hmdb51: the official files of HMDB51, with odd names of videos."""

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from dataset_files import list_official, touch
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.ground.stage import StageError
from workflow_scripts.videos.layouts.annotations import annotated_videos
from workflow_scripts.videos.layouts.hmdb51 import read_videos

ODD_NAMES = [
    "#437_How_To_Ride_A_Bike_ride_bike_f_cm_np1_le_med_0",
    "(HQ)_Rock_Climbing_-_Free_Solo_-_Dan_Osman_ride_bike_f_cm_np1_ba_med_0",
    "[1,2]_L'été & a blank; 100%!_ride_bike_u_nm_np1_fr_goo_7",
    "Mr._Bean.avi_ride_bike_u_nm_np1_fr_goo_1",
]


def test_read_hmdb51_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / "testTrainMulti_7030_splits"
    folder.mkdir()
    for number, flags in (("1", "1201"), ("2", "0012"), ("3", "2210")):
        lines = [f"{name}.avi {flag} " for name, flag in zip(ODD_NAMES, flags, strict=True)]
        (folder / f"ride_bike_test_split{number}.txt").write_text("\n".join([*lines, ""]))
        (folder / f"run_test_split{number}.txt").write_text("Film_run_f_cm_np1_ba_bad_0.avi 1 \n")
    root = tmp_path / "hmdb51_org"
    touch(root, *(f"ride_bike/{name}.avi" for name in ODD_NAMES), "run/run/Film_run_f_cm_np1_ba_bad_0.avi")
    videos, missing = list_official("hmdb51", root, folder)
    by_name = {Path(video.path).stem: video for video in videos}
    assert missing == [] and by_name.keys() == {*ODD_NAMES, "Film_run_f_cm_np1_ba_bad_0"}
    assert [dict(by_name[name].splits) for name in ODD_NAMES] == [
        {1: "train", 3: "test"},
        {1: "test", 3: "test"},
        {2: "train", 3: "train"},
        {1: "train", 2: "test"},
    ]
    assert {by_name[name].label for name in ODD_NAMES} == {"ride_bike"}
    assert (
        by_name[ODD_NAMES[0]].group == "#437_How_To_Ride_A_Bike"
        and by_name["Film_run_f_cm_np1_ba_bad_0"].group == "Film"
    )


NAMES = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="/\\"), min_size=1, max_size=20).map(
    lambda name: f"a {name} b"
)


@given(st.dictionaries(NAMES, st.tuples(*[st.sampled_from("012")] * 3), min_size=1, max_size=8))
def test_read_hmdb51_any_names(videos: dict[str, tuple[str, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for split in range(3):
            lines = [f"{name}.avi {flags[split]} \n" for name, flags in videos.items()]
            (Path(folder) / f"brush_hair_test_split{split + 1}.txt").write_text("".join(lines), encoding="utf-8")
        splits = {video.names[0]: dict(video.splits) for video in annotated_videos(Path(folder), read_videos)}
    part = {"1": "train", "2": "test"}
    assert splits == {
        name: {split + 1: part[flag] for split, flag in enumerate(flags) if flag != "0"}
        for name, flags in videos.items()
    }


@pytest.mark.parametrize(
    "file, text, message",
    [
        ("run_test_split1.txt", "a.avi 1\nb.avi 3\n", r"run_test_split1.txt, line 2: 'b.avi 3' is not like"),
        (
            "run_test_split1.txt",
            "a.avi 1\na.avi 2\n",
            r"run_test_split1.txt, line 2: .* into test, another line into train",
        ),
    ],
)
def test_read_hmdb51_malformed_lists(tmp_path: Path, file: str, text: str, message: str) -> None:
    (tmp_path / file).write_text(text, encoding="latin-1")
    with pytest.raises(StageError, match=message) as error:
        annotated_videos(tmp_path, read_videos)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_read_hmdb51_ignores_hidden_files_of_a_mac(shared: Path) -> None:
    folder = shared / "videos" / "reported" / "appledouble_annotations" / "hmdb51"
    videos = annotated_videos(folder, read_videos)
    assert {video.label for video in videos} == {"brush_hair", "shoot_bow", "wave"}
    group = {video.names[0]: video.group for video in videos}
    assert group["Bush_Wave_vs__Obama.avi_wave_u_cm_np1_le_med_6"] == "Bush_Wave_vs__Obama.avi"


def parts_of_lists(folder: Path) -> dict[tuple[str, str], dict[int, str]]:
    """Returns the parts by number of the split, for each (class, file name), by plain string operations."""
    videos: dict[tuple[str, str], dict[int, str]] = {}
    for file in folder.glob("*_test_split[123].txt"):
        label, number = file.name.removesuffix(".txt").split("_test_split")
        for line in file.read_text().splitlines():
            name, flag = line.rsplit(maxsplit=1)
            parts = videos.setdefault((label, name), {})
            if flag != "0":
                parts[int(number)] = {"1": "train", "2": "test"}[flag]
    return videos


def test_read_hmdb51_real_lists(shared: Path, tmp_path: Path) -> None:
    """As the dataset's page says: 51 classes, 6,766 videos, 3 splits with 70 training and 30 test videos per class."""
    folder = shared / "videos" / "hmdb51_splits"
    expected = parts_of_lists(folder)
    root = tmp_path / "hmdb51_org"
    touch(root, *(f"{label}/{name}" for label, name in expected))
    videos, missing = list_official("hmdb51", root, folder)
    assert missing == [] and len(videos) == 6766 and len({video.label for video in videos}) == 51
    assert {tuple(video.path.split("/")): dict(video.splits) for video in videos} == expected
    counts = Counter((video.label, split, part) for video in videos for split, part in video.splits)
    assert len(counts) == 51 * 3 * 2
    assert {(part, number) for (_, _, part), number in counts.items()} == {("train", 70), ("test", 30)}


def test_read_hmdb51_films_of_real_names(shared: Path) -> None:
    """The film is the part of a name before the class and six more fields."""
    groups = {}
    for video in annotated_videos(shared / "videos" / "hmdb51_splits", read_videos):
        (name,) = video.names
        film_and_class = name.rsplit("_", 6)[0]
        assert video.group and f"{video.group}_{video.label}" == film_and_class, name
        groups[name] = video.group
    # These titles contain the name of the class.
    assert groups["doppel_handstand_handstand_f_cm_np2_ba_med_0"] == "doppel_handstand"
    assert groups["how_to_do_a_cartwheel_cartwheel_f_cm_np1_ri_med_0"] == "how_to_do_a_cartwheel"
