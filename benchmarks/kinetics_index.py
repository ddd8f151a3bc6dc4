"""Time and memory of indexing a dataset of the size of Kinetics, and of the dry run of configs/paper.yaml.

The 235,000 videos of 400 labels are hard links to a few small videos, so that every header is read. Measured are the
first index, a second index after 10 videos were added, and `snakemake --dry-run`.

    python -m benchmarks.kinetics_index FOLDER [--videos 235000]

FOLDER is created (on one file system, about 300 MB). Delete it afterwards.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import yaml

from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings

REPOSITORY = Path(__file__).parents[1]
LINKS = 50_000  # per file; some file systems allow 65,000


def link_videos(folder: Path, n_videos: int, labels: int = 400) -> None:
    """Creates folder/<label>/<name>.mp4, with names as in Kinetics, as hard links to a few files."""
    small = GeneratedSettings(motions=("walk",), scenes=("bricks",), per_pair=1, frames=16, width=64, height=48)
    (row,) = generate_videos(folder.parent / "source", small)
    content = (folder.parent / "source" / row["path"]).read_bytes()
    for label in range(labels):
        (folder / f"label{label:03d}").mkdir(parents=True, exist_ok=True)
    for number in range(n_videos):
        source = folder.parent / "source" / f"{folder.name}_{number // LINKS}.mp4"
        if number % LINKS == 0 and not source.exists():
            source.write_bytes(content)
        video = folder / f"label{number % labels:03d}" / f"{number:011d}_000000_000010.mp4"
        if not video.exists():
            os.link(source, video)


def write_config(folder: Path, n_videos: int, labels: int = 400) -> list[Path]:
    """Writes datasets of the sizes of UCF101 and HMDB51, and a config with their paths. Returns the configs.

    The annotations of Kinetics list 5 % more videos than there are.
    """
    lines = [f"label{i % labels:03d},{i:011d},0,10,train" for i in range(n_videos + n_videos // 20)]
    (folder / "kinetics" / "annotations").mkdir(exist_ok=True)
    (folder / "kinetics" / "annotations" / "kinetics400.csv").write_text(
        "\n".join(["label,youtube_id,time_start,time_end,split", *lines]) + "\n"
    )
    roots = {"kinetics": {"root": str(folder / "kinetics")}}
    for name, n_videos in (("ucf101", 13320), ("hmdb51", 6766)):
        link_videos(folder / name, n_videos, 51)
        paths = sorted(path.relative_to(folder / name) for path in (folder / name).rglob("*.mp4"))
        rows = [f"{path},{path.parent},{'train' if i % 3 else 'test'}" for i, path in enumerate(paths)]
        (folder / name / "manifest.csv").write_text("\n".join(["path,label,split1", *rows]) + "\n")
        manifest = {"layout": "manifest", "manifest": "manifest.csv", "splits": "column"}
        roots[name] = {"root": str(folder / name), **manifest}
    (folder / "my_paths.yaml").write_text(yaml.safe_dump({"datasets": roots}))
    return [REPOSITORY / "configs" / "paper.yaml", folder / "my_paths.yaml"]


def timed(label: str, folder: Path, configs: list[Path], *options: str) -> str:
    """Runs snakemake in `folder`, prints seconds and peak memory of its largest process. Returns the output."""
    command = [
        Path(sys.executable).parent / "snakemake",
        "--directory",
        folder,
        "--snakefile",
        REPOSITORY / "Snakefile",
    ]
    command += ["--workflow-profile", REPOSITORY / "profiles" / "default", "--cores", "2"]
    start = time.monotonic()
    with open(folder / "output.txt", "w") as output:
        process = subprocess.Popen(
            [*command, "--configfile", *configs, *options], stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    printed = (folder / "output.txt").read_text()
    if status:
        sys.exit(printed[-3000:])
    print(f"{label:45} {time.monotonic() - start:7.1f} s {usage.ru_maxrss / 1024:7.0f} MiB", flush=True)
    return printed


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--videos", type=int, default=235_000)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    kinetics = folder / "kinetics" / "kinetics400"
    link_videos(kinetics, arguments.videos)
    configs = write_config(folder, arguments.videos)
    indexes = [f"results/{name}/videos/index.tsv" for name in ("kinetics", "ucf101", "hmdb51")]
    timed(f"index of {arguments.videos} videos, ucf101, hmdb51", folder, configs, "--", *indexes)
    link_videos(kinetics, arguments.videos + 10)
    timed("index again, 10 videos added", folder, configs, "--forcerun", "videos", "--", indexes[0])
    printed = timed("dry run of configs/paper.yaml", folder, configs, "--dry-run")
    print(*re.findall(r"^(?:\w+ +\d+|total.*)$", printed.partition("Job stats:")[2], re.MULTILINE), sep="\n")
    commands = timed("the same with all commands printed", folder, configs, "--dry-run", "--printshellcmds")
    longest = max(len(line) for line in commands.splitlines() if "python -m " in line)
    print(f"longest command {longest} bytes (the limit of a shell is 131,072)")


if __name__ == "__main__":
    main()
