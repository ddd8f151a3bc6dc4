"""The package as pip installs it: from a clone, and from an sdist and a wheel. `make test-package` runs it: 3 minutes.

The environments have only this package. They share the other packages of the environment that runs the tests.
"""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings

REPOSITORY = Path(__file__).parents[2]
BUILT = (".cpp", ".h", "CMakeLists.txt")  # sources of the compiled module


def _run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "clone"
    _run("git", "clone", "--quiet", REPOSITORY, folder, folder=REPOSITORY)
    return folder


def _environment(folder: Path, package: Path) -> Path:
    """Installs the package in a new environment and returns the folder of its programs."""
    venv.create(folder, symlinks=True)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    # Python does not read the .pth files of this folder, so the editable install of the repository is not active.
    (site_packages / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--quiet"]
    _run(*pip, "--disable-pip-version-check", "--no-deps", "--ignore-installed", package, folder=folder)
    return folder / "bin"


def _check(programs: Path, clone: Path, folder: Path) -> None:
    """Uses `idt` and `dtc` in a folder outside the clone, and `dtc status` in the clone."""
    code = "import idt_tools, workflow_scripts as w; print(idt_tools.__file__, w.__file__)"
    for path in _run(programs / "python", "-c", code, folder=folder).split():
        assert Path(path).is_relative_to(programs.parent)
    settings = GeneratedSettings(motions=("walk",), scenes=("beach",), per_pair=1, frames=22, width=128, height=96)
    generate_videos(folder / "videos", settings)
    output = _run(programs / "idt", "extract", folder / "videos/walk/walk_beach_00.mp4", "-o", "t.h5", folder=folder)
    assert "trajectories of 22 frames" in output and (folder / "t.h5").exists()
    assert "idt extract" in _run(programs / "idt", "inspect", "t.h5", folder=folder)
    status = [programs / "dtc", "status"]
    assert "no Snakefile" in subprocess.run(status, cwd=folder, capture_output=True, text=True).stderr
    assert "missing" in _run(*status, folder=clone)


def test_pip_install_of_clone(clone: Path, tmp_path: Path) -> None:
    _check(_environment(tmp_path / "environment", clone), clone, tmp_path)


def test_sdist_and_wheel(clone: Path, tmp_path: Path) -> None:
    # Makes the sdist, and the wheel from it.
    _run(sys.executable, "-m", "build", "--outdir", tmp_path / "dist", clone, folder=tmp_path)
    (sdist,), (wheel,) = ((tmp_path / "dist").glob(pattern) for pattern in ("*.tar.gz", "*.whl"))
    listed = _run("git", "ls-files", "idt_tools", "workflow_scripts", "LICENSE", "README.md", folder=clone).splitlines()
    with tarfile.open(sdist) as archive:
        assert {name.partition("/")[2] for name in archive.getnames()} >= set(listed)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    packaged = {name for name in listed if name.startswith(("idt_tools/", "workflow_scripts/"))}
    assert set(names) >= {name for name in packaged if not name.endswith(BUILT)}
    assert not any(name.endswith(BUILT) for name in names) and any(name.endswith("/LICENSE") for name in names)
    assert os.path.getsize(wheel) < 5e6
    _check(_environment(tmp_path / "environment", wheel), clone, tmp_path)
