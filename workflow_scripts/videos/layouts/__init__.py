"""The layouts of datasets. Each layout has a reader in a file of this folder and an entry here.

The configuration, the index, the estimate and the evaluation read the entries. To add a layout, write its reader and
add its entry. A reader returns a `Listing`. If the annotations name videos without their paths, it returns a list of
`Annotated`, and `read_annotated` finds the files.
"""

from functools import partial

from workflow_scripts.videos.layouts import folder, generated, hmdb51, kinetics, manifest, ucf101
from workflow_scripts.videos.layouts.annotations import read_annotated
from workflow_scripts.videos.layouts.layout import Layout

LAYOUTS = {
    "folder": Layout("root/<label>/.../video (each folder is read once, even if links lead to it)", folder.read),
    "manifest": Layout("a CSV file", manifest.read, "manifest", "a CSV file with the columns path, label, group"),
    "ucf101": Layout(
        "the official files of UCF101",
        partial(read_annotated, ucf101.read_videos),
        "annotations",
        "the folder of trainlist01.txt, testlist01.txt, ...",
        n_official_splits=3,
        groups_within_labels=True,
    ),
    "hmdb51": Layout(
        "the official files of HMDB51",
        partial(read_annotated, hmdb51.read_videos),
        "annotations",
        "the folder of <class>_test_split1.txt, ...",
        n_official_splits=3,
    ),
    "kinetics": Layout(
        "the official files of Kinetics",
        partial(read_annotated, kinetics.read_videos),
        "annotations",
        "a CSV or JSON file of a release, or the folder of several",
        n_official_splits=1,
    ),
    "generated": Layout("videos that the project generates", generated.read, "generated"),
}

OFFICIAL = tuple(name for name, layout in LAYOUTS.items() if layout.n_official_splits)
