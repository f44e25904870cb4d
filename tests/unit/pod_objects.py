# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pods as the API server shows them."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def pod_of(owner: str, name: str, *, kind: str = "ReplicaSet", uid: str = "r", **parts: Any) -> Object:
    """A pod that runs. `parts` are its `spec`, and what its `metadata` and its `status` have besides."""
    metadata = {
        "name": name,
        "labels": {"app": "web", "pod-template-hash": "1"},
        "ownerReferences": [{"kind": kind, "name": owner, "uid": uid, "controller": True}],
    }
    return {
        "metadata": metadata | parts.get("metadata", {}),
        "spec": parts.get("spec", {}),
        "status": {"phase": "Running"} | parts.get("status", {}),
    }


def ready(status: str = "True") -> Object:
    """A part of a pod's status."""
    return {"conditions": [{"type": "Ready", "status": status}]}


def container(state: Object, name: str = "main") -> Object:
    """The status of a container."""
    return {"name": name, "state": state}


def waits(reason: str, message: str = "") -> Object:
    """A state of a container."""
    return {"waiting": {"reason": reason, "message": message}}


def runs(since: str = "2026-11-22T03:00:10Z") -> Object:
    """A state of a container."""
    return {"running": {"startedAt": since}}


def ended(code: int = 0, **more: Any) -> Object:
    """A state of a container."""
    return {"terminated": {"exitCode": code, **more}}
