"""The command line `dtc`."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "pandas", "h5py", "cv2", "sklearn", "snakemake")


def test_main_imports_no_heavy_package_for_help() -> None:
    program = (
        "import sys\nfrom workflow_scripts.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('imported:', *[name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "imported:"
    for command in ("status", "estimate", "clean", "embed", "neighbours", "export"):
        assert f"    {command}" in done.stdout


@pytest.mark.parametrize("command", ["status", "estimate", "clean"])
def test_main_explains_the_options_of_operations(command: str) -> None:
    arguments = [sys.executable, "-m", "workflow_scripts.cli", command, "--help"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert "--configfile" in done.stdout
