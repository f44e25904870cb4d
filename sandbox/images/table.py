# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of the test cluster: what each is made from, in both modes, and the key of all that goes into it."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Image:
    """One image.

    ``folder`` holds its Dockerfile, and in ``products/`` what makes the files that no Dockerfile can make (see
    ``build.py``). ``parents`` maps build arguments of the Dockerfile to the name of another image of the table, or to
    a reference in a public registry; ``arguments`` are the other build arguments. ``in_cluster`` says whether pods use
    it. Images that differ in their arguments alone share a ``directory``.
    """

    name: str
    tag: str
    parents: dict[str, str] = field(default_factory=dict)
    dockerfile: str = "Dockerfile"
    in_cluster: bool = True
    arguments: dict[str, str] = field(default_factory=dict)
    directory: str = ""

    @property
    def folder(self) -> Path:
        return HERE / (self.directory or self.name)

    @property
    def products(self) -> Path:
        return self.folder / "products"


# The Airflow 3 that Hopsworks runs and the newest, each with the drivers that its official image may lack.
AIRFLOW_3 = {
    "3.0.6": "mysqlclient PyMySQL==1.1.1 aiomysql==0.2.0",
    "3.3.2": "mysqlclient PyMySQL==1.2.3 aiomysql==0.3.2",
}


def table(mode: str) -> dict[str, Image]:
    """All images of a mode by name, parents before children.

    In both modes the same tags hold the same software: pods can't tell the difference.
    """
    debian = {"BASE": "debian"}
    pulled = "official.Dockerfile"
    if mode == "official":
        rows = [
            Image("debian", "bed/debian:bookworm", {"BASE": "debian:bookworm-slim"}, pulled, False),
            Image("node", "bed/node:1.34", {"BASE": "kindest/node:v1.34.0"}, pulled, False),
            Image("airflow-1.10.15", "bed/airflow:1.10.15", {"BASE": "apache/airflow:1.10.15-python3.8"}, pulled),
            *(
                Image(
                    f"airflow-{version}",
                    f"bed/airflow:{version}",
                    {"BASE": f"apache/airflow:{version}-python3.12"},
                    pulled,
                    arguments={"DRIVERS": drivers},
                    directory="airflow-3",
                )
                for version, drivers in AIRFLOW_3.items()
            ),
            Image("mariadb", "bed/mariadb:10.11", {"BASE": "mariadb:10.11"}),
            Image("hdfs", "bed/hdfs:3.3.6", {**debian, "HADOOP": "apache/hadoop:3.3.6"}),
            Image("nginx", "bed/nginx:1", {"BASE": "nginx:1.28"}),
            Image("statsd-exporter", "bed/statsd-exporter:0.28.0", {"BASE": "prom/statsd-exporter:v0.28.0"}, pulled),
            Image("standins", "bed/standins:1", debian),
        ]
    else:
        rows = [
            Image("debian", "bed/debian:bookworm", in_cluster=False),
            Image("standins", "bed/standins:1", debian),
            Image("nginx", "bed/nginx:1", debian),
            Image("statsd-exporter", "bed/statsd-exporter:0.28.0"),
            Image("mariadb", "bed/mariadb:10.11", debian),
            Image("hadoop", "bed/hadoop:3.3.6", in_cluster=False),
            Image("hdfs", "bed/hdfs:3.3.6", {**debian, "HADOOP": "hadoop"}),
            *(
                Image(
                    f"airflow-{version}",
                    f"bed/airflow:{version}",
                    debian,
                    arguments={"AIRFLOW_VERSION": version},
                    directory="airflow-3",
                )
                for version in AIRFLOW_3
            ),
            Image("airflow-1.10.15", "bed/airflow:1.10.15", debian),
            Image("pause", "bed/pause:3.10.1", debian, in_cluster=False),
            Image("kubernetes", "bed/kubernetes:1.34.4", debian, in_cluster=False),
            Image("node", "bed/node:1.34", {**debian, "KUBERNETES": "kubernetes", "PAUSE": "pause"}, in_cluster=False),
        ]
    return {image.name: image for image in rows}


def key(images: dict[str, Image], name: str) -> str:
    """Hash of all that goes into an image: folder, arguments, its parents' keys, the names of pulled parents."""
    image = images[name]
    folder = image.folder if image.dockerfile == "Dockerfile" else image.folder / image.dockerfile
    arguments = [f"{argument}={value}" for argument, value in sorted(image.arguments.items())]
    return _digest(image.tag, image.dockerfile, *_parents(images, image), *arguments, *_files(folder))


def products_key(images: dict[str, Image], name: str) -> str:
    """Hash of what decides the products of an image, so that an edited Dockerfile doesn't compile Kubernetes again."""
    image = images[name]
    return _digest(*_parents(images, image), *_files(image.products))


def _parents(images: dict[str, Image], image: Image) -> list[str]:
    return [
        f"{argument}={key(images, parent) if parent in images else parent}"
        for argument, parent in sorted(image.parents.items())
    ]


def _files(folder: Path) -> list[str]:
    """Path, executable bit and content hash of every file of a folder (or of one file), in a stable order."""
    paths = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if not path.is_dir())
    rows = []
    for path in paths:
        executable = bool(path.stat().st_mode & stat.S_IXUSR)
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(f"{path.relative_to(folder.parent)} {executable} {content}")
    return rows


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
