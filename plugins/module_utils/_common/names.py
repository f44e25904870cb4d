# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import re
from typing import Any

from .failure import OperatorError

DEPLOYMENT_ANNOTATION = "hopsworks.airflow/deployment"
SHORT_LENGTH = 40
HASH_LENGTH = 8
_HASHED = re.compile(rf"(^|-)[0-9a-f]{{{HASH_LENGTH}}}$")


def record_name(deployment: str) -> str:
    """Name of a deployment's run record (a ConfigMap) and of its lock (a Lease). Two deployments can share a
    namespace."""
    return f"airflow-runbook-{short_name(deployment)}"


def short_name(deployment: str) -> str:
    """A deployment's name as part of a Kubernetes name and as a label, unique for each deployment.

    If the name has to be changed because it is too long or has other characters, a hash of the full name is appended.
    This also applies to a name that looks as if it had such a hash.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", deployment.lower()).strip("-")
    if plain == deployment and len(plain) <= SHORT_LENGTH and not _HASHED.search(plain):
        return plain
    digest = hashlib.sha256(deployment.encode()).hexdigest()[:HASH_LENGTH]
    return f"{plain[: SHORT_LENGTH - HASH_LENGTH - 1]}-{digest}".strip("-").replace("--", "-")


def refuse_another(config_map: Any | None, name: str, deployment: str) -> None:
    """Raises OperatorError if the ConfigMap is the record of another deployment."""
    annotations = (config_map.metadata.annotations or {}) if config_map is not None else {}
    owner = annotations.get(DEPLOYMENT_ANNOTATION, deployment)
    if owner != deployment:
        raise another(name, owner, deployment)


def another(name: str, owner: str, deployment: str) -> OperatorError:
    return OperatorError(
        f"ConfigMap {name} is the record of deployment {owner!r}",
        expected=f"no such ConfigMap, or the record of deployment {deployment!r}",
        untouched="everything",
        next_step=(
            "leave airflow_record_name at its default, which is unique to each deployment, or choose another name; if "
            "the deployment was renamed, set airflow_name to its old name"
        ),
    )
