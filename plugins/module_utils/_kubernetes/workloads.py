# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .objects import Object, Objects

KINDS = ("Deployment", "StatefulSet")


def find(objects: Objects, name: str) -> Object | None:
    """The Deployment of that name, or else the StatefulSet, with its kind."""
    return next(iter(find_all(objects, name)), None)


def find_all(objects: Objects, name: str) -> list[Object]:
    """The Deployment and the StatefulSet of that name, with their kinds: an old one may remain next to its
    successor."""
    found = ((kind, objects.read(kind, name)) for kind in KINDS)
    return [{**workload, "kind": kind} for kind, workload in found if workload is not None]
