# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the images of the test cluster, each once: the key of what goes into an image is a label on it.

    build.py plan [MODE]            which mode it is, and what is missing, as JSON
    build.py build MODE NAME...     these images and, where they are missing, their parents; waits for one
                                    that another process is making
    build.py load MODE NODE         bring what a cluster node doesn't hold yet into its containerd

MODE is ``official`` (pull from public registries, add a layer where needed), ``built`` (make everything from package
registries) or, for ``plan``, ``auto``: the mode whose images are all here, else official where a registry answers.

An image's ``products/make`` runs in an empty folder and leaves there the files that its Dockerfile copies. They are
kept in ``${XDG_CACHE_HOME:-~/.cache}/hopsworks-airflow-bed``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from table import Image, key, products_key, table

REGISTRY = "https://registry-1.docker.io/v2/"
LABEL = "io.hopsworks.airflow.bed.key"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hopsworks-airflow-bed"
# Where distributions keep the certificates that a build needs to reach a package registry through a proxy.
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def run(*command: str, **options: object) -> None:
    subprocess.run(command, check=True, **options)  # type: ignore[call-overload]


def output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def held_by_engine() -> dict[str, str]:
    """Key by tag of the images the engine has."""
    identifiers = output("docker", "image", "ls", "--quiet", "--filter", f"label={LABEL}").split()
    held: dict[str, str] = {}
    if identifiers:
        for row in json.loads(output("docker", "image", "inspect", *sorted(set(identifiers)))):
            held.update(dict.fromkeys(row["RepoTags"] or (), row["Config"]["Labels"][LABEL]))
    return held


def missing(mode: str, held: dict[str, str]) -> list[Image]:
    images = table(mode)
    return [image for image in images.values() if held.get(image.tag) != key(images, image.name)]


def registry_answers() -> bool:
    """Whether a public image registry answers within a few seconds (401 is its usual answer to a stranger)."""
    try:
        with urllib.request.urlopen(REGISTRY, timeout=4):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False


def plan(mode: str) -> dict[str, object]:
    held = held_by_engine()
    if mode == "auto":
        # A registry that happens to answer, or not, is no reason to make again what is already here.
        complete = [candidate for candidate in ("official", "built") if not missing(candidate, held)]
        mode = complete[0] if complete else "official" if registry_answers() else "built"
    images = table(mode)
    return {
        "mode": mode,
        "missing": [{"name": image.name, "tag": image.tag} for image in missing(mode, held)],
        "node": images["node"].tag,
        "node_key": key(images, "node"),
    }


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def products(images: dict[str, Image], image: Image) -> Path | None:
    """The folder with an image's products, made now unless an earlier run has left it whole."""
    make = image.products / "make"
    if image.dockerfile != "Dockerfile" or not make.exists():
        return None
    folder = CACHE / f"{image.name}-{products_key(images, image.name)}"
    if not folder.exists():
        partial = Path(tempfile.mkdtemp(prefix=f"{image.name}-", suffix=".partial", dir=CACHE))
        try:
            parents = {argument: images[parent].tag for argument, parent in image.parents.items()}
            # Go would stamp the checkout's own revision on Kubernetes, or fail where it can't read it.
            go_flags = f"{os.environ.get('GOFLAGS', '')} -buildvcs=false".strip()
            environment = {**os.environ, **parents, "SOURCE": str(image.products), "GOFLAGS": go_flags}
            run(str(make), cwd=partial, env=environment, stdout=sys.stderr)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def certificates() -> Path | None:
    candidates = (os.environ.get("SSL_CERT_FILE", ""), *CERTIFICATES)
    return next((Path(path) for path in candidates if path and Path(path).is_file()), None)


def build(mode: str, name: str) -> None:
    images = table(mode)
    image = images[name]
    for parent in image.parents.values():
        if parent in images:
            build(mode, parent)
    with locked(CACHE / "locks" / name):
        wanted = key(images, name)
        if held_by_engine().get(image.tag) == wanted:
            return
        begun = time.monotonic()
        made = products(images, image)
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=CACHE) as temporary:
            context = Path(temporary)
            shutil.copytree(image.folder, context, dirs_exist_ok=True, ignore=shutil.ignore_patterns("products"))
            if made:
                # Links, not copies: products are up to hundreds of megabytes and the context is only read.
                shutil.copytree(made, context, dirs_exist_ok=True, copy_function=_link, symlinks=True)
            if bundle := certificates():
                shutil.copy(bundle, context / "ca-certificates.crt")
            parents = {
                argument: images[parent].tag if parent in images else parent
                for argument, parent in image.parents.items()
            }
            run(
                "docker",
                "build",
                "--network=host",
                f"--file={context / image.dockerfile}",
                f"--tag={image.tag}",
                f"--label={LABEL}={wanted}",
                *(f"--build-arg={argument}={value}" for argument, value in {**parents, **image.arguments}.items()),
                str(context),
                stdout=sys.stderr,
                env=_builder(),
            )
        print(f"{image.tag}: made in {time.monotonic() - begun:.0f} s")


def _link(source: str, target: str) -> None:
    os.link(source, target, follow_symlinks=False)


def _builder() -> dict[str, str]:
    """BuildKit where the client has its plug-in, else the classic builder: some clients come without."""
    buildx = subprocess.run(["docker", "buildx", "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return {**os.environ, "DOCKER_BUILDKIT": "1" if buildx.returncode == 0 else "0"}


def load(mode: str, node: str) -> None:
    """Like ``kind load docker-image``, but by key, in one stream, and without a copy on the disk."""
    containerd = ("docker", "exec", "--interactive", node, "ctr", "--namespace=k8s.io", "images")
    images = table(mode)
    wanted = {image.tag: key(images, image.name) for image in images.values() if image.in_cluster}
    listing = output(*containerd, "list")
    absent = [
        tag
        for tag, value in wanted.items()
        if not any(row.startswith(f"docker.io/{tag} ") and f"{LABEL}={value}" in row for row in listing.splitlines())
    ]
    if not absent:
        return
    with subprocess.Popen(["docker", "save", *absent], stdout=subprocess.PIPE) as save:
        run(*containerd, "import", "--digests", "--snapshotter=overlayfs", "-", stdin=save.stdout, stdout=sys.stderr)
    if save.returncode:
        raise subprocess.CalledProcessError(save.returncode, "docker save")
    for tag in absent:
        run(*containerd, "label", f"docker.io/{tag}", f"{LABEL}={wanted[tag]}", stdout=sys.stderr)
        print(f"{tag}: loaded")


def main(arguments: list[str]) -> int:
    match arguments:
        case ["plan"]:
            print(json.dumps(plan("auto")))
        case ["plan", "auto" | "official" | "built" as mode]:
            print(json.dumps(plan(mode)))
        case ["build", "official" | "built" as mode, *names] if names and table(mode).keys() >= set(names):
            for name in names:
                build(mode, name)
        case ["load", "official" | "built" as mode, node]:
            load(mode, node)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as failure:
        # What the command had to say is above; where in this file it was called is of no use.
        command = failure.cmd if isinstance(failure.cmd, str) else " ".join(failure.cmd)
        sys.exit(f"build.py: failed with code {failure.returncode}: {command}")
