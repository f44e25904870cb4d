# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks an image which schema it is made for. Only the image knows, and a tag may mean another image tomorrow."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from ..._pods.job import Job
from ..._pods.own_job import Pod, job_of
from .migrate_job import REPORT, SHELL, head_in, labels_of

if TYPE_CHECKING:
    from ..._kubernetes.call import Call

ASK = "ask"
KEPT_SECONDS = 300


def is_pinned(image: str) -> bool:
    """Whether a reference always means the same content."""
    return "@sha256:" in image


def newest_revision(call: Call, image: str, pod: Pod, known: str) -> tuple[str, str | None]:
    """Revision of an image, and its version if a Job was run to ask it.

    `known` is the earlier answer of an image of the same reference. A tag may mean another image by now.
    """
    if known and is_pinned(image):
        return known, None
    call.progress(f"asking {image} which schema it is made for")
    seconds = call.params["timeout"]
    manifest = revision_job(image, call.params["deployment"], pod, seconds)
    return head_in(Job(call.cluster, manifest, call.progress, ()).run(seconds))


def revision_job(image: str, deployment: str, pod: Pod, timeout_seconds: int) -> dict[str, Any]:
    """The Job that asks. It gets no Secret, no volume and no address."""
    container = {
        "name": "ask",
        "image": image,
        "command": ["/bin/sh", "-c", SHELL, "ask", REPORT],
        # An arbitrary UID has no entry in the image's passwd file.
        "env": [{"name": "USER", "value": "airflow"}, {"name": "LOGNAME", "value": "airflow"}, *pod.environment],
    }
    return job_of(
        f"airflow-ask-image-{secrets.token_hex(4)}",
        labels_of("airflow-ask-image", ASK, deployment),
        pod,
        container,
        [],
        timeout_seconds=timeout_seconds,
        grace_seconds=1,
        kept_seconds=KEPT_SECONDS,
    )
