# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controllers that restart a workload when a Secret changes: https://github.com/stakater/Reloader and wave-k8s/wave."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._pods.evidence import secret_names

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

Object = dict[str, Any]

RELOADER = "reloader.stakater.com"
NAMED = f"secret.{RELOADER}/reload"
AUTO = (f"{RELOADER}/auto", f"secret.{RELOADER}/auto")
SEARCH, MATCH, IGNORE = f"{RELOADER}/search", f"{RELOADER}/match", f"{RELOADER}/ignore"
EXCLUDED = f"secrets.exclude.{RELOADER}/reload"
WAVE = "wave.pusher.com/update-on-config-change"
# Values that Go's strconv.ParseBool reads as true.
TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})


@dataclass(frozen=True)
class Reloading:
    """A controller restarts a workload when a Secret changes; `remedy` is what an operator can do about it."""

    what: str
    remedy: str


def changed_secrets(cluster: Cluster, names: list[str]) -> dict[str, Object]:
    """The annotations of the existing Secrets that a run is going to change, by name."""
    found = {name: cluster.find(cluster.core.read_namespaced_secret, name) for name in names}
    return {name: secret.metadata.annotations or {} for name, secret in found.items() if secret is not None}


def reloadings_of(workload: Object, changed: dict[str, Object]) -> list[Reloading]:
    """The controllers that restart a workload when these Secrets change; with their annotations, see
    `changed_secrets`."""
    kind, name = workload["kind"], workload["metadata"]["name"]
    accept = "; or, if that does no harm, set `managed_by_others: accept`"
    found = []
    if marked := reloader_mark(workload, changed):
        mark, secret = marked
        remedy = (
            f"kubectl annotate secret {secret} {IGNORE}=true (which also applies to a Reloader with "
            f"--auto-reload-all), or remove the annotation {mark} from the workload, then run the same command "
            f"again{accept}"
        )
        found.append(_reloading(workload, "Reloader", mark, secret, remedy))
    if marked := wave_mark(workload, changed):
        mark, secret = marked
        remedy = f"kubectl annotate {kind.lower()} {name} {mark}-, then run the same command again{accept}"
        found.append(_reloading(workload, "Wave", mark, secret, remedy))
    return found


def refuse_reloading(reloadings: list[Reloading]) -> None:
    """Raises OperatorError for the first controller."""
    for reloading in reloadings:
        raise OperatorError(
            reloading.what,
            expected="workloads that no other controller restarts in the meantime",
            untouched="all workloads",
            next_step=reloading.remedy,
        )


def _reloading(workload: Object, controller: str, mark: str, secret: str, remedy: str) -> Reloading:
    what = (
        f"{workload['kind']} {workload['metadata']['name']} is restarted by {controller} ({mark}): it replaces the "
        f"pods by itself when Secret {secret} changes, out of order, and a scheduler while its tasks run"
    )
    return Reloading(what, remedy)


def reloader_mark(workload: Object, changed: dict[str, Object]) -> tuple[str, str] | None:
    """The annotation that makes Reloader restart a workload, and the changed Secret.

    Whether Reloader runs, and whether with --auto-reload-all, is unknown.
    """
    marks = _reloader_annotations(workload)
    used = secret_names(workload["spec"]["template"]["spec"])
    excluded = {name.strip() for name in workload["metadata"].get("annotations", {}).get(EXCLUDED, "").split(",")}
    for name, on_secret in changed.items():
        if on_secret.get(IGNORE) == "true" or name in excluded:
            continue
        if any(_matches(pattern.strip(), name) for pattern in marks.get(NAMED, "").split(",")):
            return NAMED, name
        if name not in used:
            continue
        if marks.get(SEARCH) == "true" and on_secret.get(MATCH) == "true":
            return SEARCH, name
        for mark in AUTO:
            if marks.get(mark) in TRUE:
                return mark, name
    return None


def wave_mark(workload: Object, changed: dict[str, Object]) -> tuple[str, str] | None:
    """The same for Wave."""
    if workload["metadata"].get("annotations", {}).get(WAVE) != "true":
        return None
    used = secret_names(workload["spec"]["template"]["spec"])
    return next(((WAVE, name) for name in changed if name in used), None)


def _reloader_annotations(workload: Object) -> Object:
    """The annotations of the workload, or those of its pods if the former do not concern Reloader, as Reloader does
    it."""
    own: Object = workload["metadata"].get("annotations", {})
    if any(mark in own for mark in (NAMED, SEARCH, *AUTO)):
        return own
    pods: Object = workload["spec"]["template"].get("metadata", {}).get("annotations", {})
    return pods


def _matches(pattern: str, name: str) -> bool:
    """Names in the list are regular expressions."""
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error:
        return pattern == name
