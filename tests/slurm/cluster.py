"""A real SLURM on this machine for as long as a test session lasts: accounting, one controller, two nodes.

All files are in one temporary folder, and all daemons run in the foreground under this process, so that none outlives
it. Only the configuration is linked from /etc/slurm, because job steps look for it there.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

TEMPLATES = Path(__file__).parent / "etc"
ETC = Path("/etc/slurm")
PROGRAMS = ("munged", "mariadbd", "mariadb-install-db", "slurmdbd", "slurmctld", "slurmd", "sbatch", "sacct", "setpriv")


def missing_requirement() -> str:
    """The requirement of a cluster that this machine lacks; empty if it lacks none."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"needs SLURM, munge and MariaDB (make test-slurm installs them with apt); missing: {', '.join(missing)}"
    if os.getuid() != 0:
        return "needs root: the nodes run jobs as the user who submits them"
    if (ETC / "slurm.conf").exists() and not (ETC / "slurm.conf").is_symlink():
        return f"{ETC}/slurm.conf exists: this machine belongs to a cluster"
    return ""


def wait_for(condition: Callable[[], Any], description: str, seconds: float = 60) -> Any:
    """Calls `condition` until its value is true, and returns the value; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:g} s in vain for {description}")


class Cluster:
    """Nodes n1 (two stand-in GPUs) and n2; partitions `cpu` (both) and `gpu` (n1)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._links: list[Path] = []

    def start(self) -> None:
        """Starts all daemons and waits until both nodes take jobs."""
        for name in ("state", "spool/n1", "spool/n2"):
            (self.folder / name).mkdir(parents=True)
        for number in (0, 1):  # a GPU must be a device node
            os.mknod(self.folder / f"gpu{number}", 0o666 | 0o020000, os.makedev(1, 3))
        for template in TEMPLATES.iterdir():
            path = self.folder / template.name
            text = template.read_text().replace("@FOLDER@", str(self.folder))
            path.write_text(text.replace("@HOST@", socket.gethostname().split(".")[0]))
            path.chmod(0o600)
            link = ETC / template.name
            link.unlink(missing_ok=True)
            link.symlink_to(path)
            self._links.append(link)
        os.environ["SLURM_CONF"] = str(ETC / "slurm.conf")

        key, munge = self.folder / "munge.key", self.folder / "munge.socket"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self._daemon(
            *("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={munge}"),
            *(f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log"),
            f"--seed-file={self.folder}/munged.seed",
        )
        database, sql = self.folder / "database", self.folder / "mariadb.socket"
        os.environ["MYSQL_UNIX_PORT"] = str(sql)  # where slurmdbd finds it
        install = ["mariadb-install-db", "--user=root", f"--datadir={database}", "--skip-test-db"]
        subprocess.run(
            [*install, "--auth-root-authentication-method=socket"], check=True, stdout=subprocess.DEVNULL, timeout=120
        )
        self._daemon(
            *("mariadbd", "--no-defaults", "--user=root", f"--datadir={database}", f"--socket={sql}"),
            *(f"--pid-file={self.folder}/mariadbd.pid", "--skip-networking", "--innodb-buffer-pool-size=128M"),
        )
        wait_for(lambda: munge.exists() and sql.exists(), "munge and MariaDB")
        self._daemon("slurmdbd", "-D")
        wait_for(lambda: self.command("sacctmgr", "-n", "list", "cluster", check=False).returncode == 0, "slurmdbd")
        self.command("sacctmgr", "-i", "add", "cluster", "tests")
        self.command("sacctmgr", "-i", "add", "account", "lab")
        self.command("sacctmgr", "-i", "add", "user", "root", "Account=lab")
        self._daemon("slurmctld", "-D", "-c")
        for node in ("n1", "n2"):
            self._daemon("slurmd", "-D", "-N", node)
        self.wait_until_idle()

    def stop(self) -> None:
        """Ends the jobs, then the daemons in the reverse order of their start."""
        if self._daemons:
            self.command("scancel", "--user", "root", check=False)
            self.command("scancel", "--signal=KILL", "--user", "root", check=False)
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
        for process in psutil.process_iter():  # jobs of a node that was set DOWN may still run
            with suppress(psutil.Error):
                if process.environ().get("SLURM_CLUSTER_NAME") == "tests":
                    process.kill()
        for link in self._links:
            link.unlink(missing_ok=True)
        os.environ.pop("MYSQL_UNIX_PORT", None)
        os.environ["SLURM_CONF"] = "/dev/null"  # as in tests/conftest.py

    def _daemon(self, *command: str) -> None:
        with open(self.folder / "daemons.log", "ab") as log:
            # setpriv: the kernel ends the daemon when this process ends
            started = ["setpriv", "--pdeathsig", "TERM", *command]
            self._daemons.append(subprocess.Popen(started, stdout=log, stderr=log, start_new_session=True))

    def command(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a SLURM command for at most 20 s, because it may hang."""
        try:
            return subprocess.run(command, check=check, capture_output=True, text=True, timeout=20)
        except subprocess.TimeoutExpired:
            if check:
                raise
            return subprocess.CompletedProcess(command, 124, "", "")

    def jobs(self) -> list[dict[str, str]]:
        """All jobs of the accounting, the oldest first; each task of an array is a job."""
        fields = "JobID,JobIDRaw,JobName,Comment,Partition,State,ReqMem,TimelimitRaw,AllocTRES,NodeList"
        lines = self.command("sacct", "-X", "-n", "-P", "-a", f"--format={fields}", "-S", "now-1days").stdout
        rows = [
            dict(zip(fields.split(","), line.split("|", fields.count(",")), strict=True)) for line in lines.splitlines()
        ]
        return sorted(rows, key=lambda row: int(row["JobIDRaw"]))

    def running(self) -> list[dict[str, Any]]:
        """The running jobs, as squeue describes them."""
        queue = json.loads(self.command("squeue", "--json", "--states", "RUNNING").stdout)
        return list(queue["jobs"])

    def wait_until_idle(self) -> None:
        """Waits until no job is left and both nodes are idle."""

        def idle() -> bool:
            states = self.command("sinfo", "-h", "-N", "-p", "cpu", "-o", "%t", check=False).stdout.split()
            return states == ["idle", "idle"]

        wait_for(idle, "two idle nodes")
