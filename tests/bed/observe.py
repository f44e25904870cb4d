"""Run a command and keep what others could see of it: its output, and every process list while it ran.

Each run gets a numbered folder of its own.

usage: observe.py FOLDER COMMAND [ARGUMENT ...]
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import threading


def process_list() -> set[str]:
    """Command lines of all processes of this machine, those in the bed's containers included."""
    lines = set()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = pathlib.Path("/proc", entry, "cmdline").read_bytes()
        except OSError:
            continue
        lines.add(words.replace(b"\0", b" ").decode("utf-8", "replace").strip())
    return lines - {""}


def main(folder: pathlib.Path, command: list[str]) -> int:
    folder = folder / str(len(list(folder.glob("*"))) + 1)
    folder.mkdir(parents=True)
    seen: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            seen.update(process_list())

    watcher = threading.Thread(target=watch)
    watcher.start()
    # As an operator runs it, without what molecule sets for its own playbooks.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_"))}
    with (folder / "output.log").open("wb") as stream:
        code = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, check=False
        ).returncode
    ended.set()
    watcher.join()
    lines = (folder / "output.log").read_text(encoding="utf-8", errors="replace").splitlines()
    print("\n".join(lines[-60:]))
    (folder / "processes.txt").write_text("\n".join(sorted(seen)), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.argv[2:]))
