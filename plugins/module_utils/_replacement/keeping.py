# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Saves a whole deployment before any of it is replaced, and checks this before anything is stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._kubernetes.objects import Objects
from .._kubernetes.secret import StoredSecret
from .._kubernetes.workloads import KINDS, find_all
from .._pods.definition import is_half_replaced
from .._pods.quota import counted_as, refuse_shortfalls
from .._pods.references import references
from .._rollout.backup import Backup, Record, record_of
from .._rollout.belonging import deployment_of, refuse_another, refuse_twice
from .._rollout.configurations import configurations_of

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

Object = dict[str, Any]
UNTOUCHED = "all objects"


def keep(
    cluster: Cluster,
    definitions: list[Object],
    backup_secret: str,
    *,
    check_mode: bool,
    warn: Callable[[str], object] = lambda _text: None,
) -> list[Record]:
    """Save the live objects of these names, of every kind, and which of them are missing. Returns what is new.

    Raises OperatorError for an object of another deployment, and for one that is partly replaced and was not saved
    before. With `check_mode` it uses dry runs. Quotas must have room for these Secrets and for missing Secrets that the
    pods of the definitions need.
    """
    refuse_twice(definitions, UNTOUCHED)
    objects, backup = Objects(cluster), Backup(cluster, backup_secret)
    records = []
    configurations: dict[str, Object] = {}
    half = []
    for definition in definitions:
        kind, name = definition["kind"], definition["metadata"]["name"]
        live, deployment = read_live(objects, definition), deployment_of(definition)
        if live is not None:
            refuse_another(live, deployment, UNTOUCHED)
        records.append(record_of(kind, name, live, deployment))
        if live is not None and is_half_replaced(live):
            half.append(records[-1])
        for other in find_all(objects, name) if kind in KINDS else []:
            # It has another kind than the new one, and is stopped and kept. One that an earlier run has left in this
            # state does not count as an old workload.
            if other["kind"] != kind and (live is None or other["spec"].get("replicas", 1)):
                refuse_another(other, deployment, UNTOUCHED)
                records.append(record_of(other["kind"], name, other, deployment))
        if live is not None and kind in KINDS:
            # They may be removed when nothing uses them any more.
            configurations |= {each["metadata"]["name"]: each for each in configurations_of(objects, live)}
    defined = {(definition["kind"], definition["metadata"]["name"]) for definition in definitions}
    records += [
        record_of("ConfigMap", name, live, deployment_of(live))
        for name, live in configurations.items()
        if ("ConfigMap", name) not in defined
    ]
    new = backup.missing(records)
    lost = [f"{record.kind} {record.name}" for record in half if record in new]
    if lost:
        raise OperatorError(
            f"already partly replaced: {', '.join(lost)}, and the originals are not in Secret {backup_secret}",
            expected="objects of the old deployment, or saved originals",
            untouched="all workloads and the database",
            next_step=(
                "recreate them in the same way as before (helm upgrade, kubectl apply), then run the same command again"
            ),
        )
    if not check_mode:
        backup.keep(records, whole=True)
        return new
    made, untold = backup.try_keeping(records)
    for text in untold:
        warn(text)
    specs = [definition["spec"]["template"]["spec"] for definition in definitions if definition["kind"] in KINDS]
    needed = sorted({reference.name for spec in specs for reference in references(spec) if reference.kind == "Secret"})
    made += [name for name in needed if not StoredSecret(cluster, name).exists]
    if len(made) > 1:
        refuse_shortfalls(objects, Counter(dict.fromkeys(counted_as({"kind": "Secret"}), len(made))), UNTOUCHED)
    return new


def read_live(objects: Objects, definition: Object) -> Object | None:
    """The live object of a definition's name, with its kind."""
    live = objects.read(definition["kind"], definition["metadata"]["name"])
    return live and {**live, "kind": definition["kind"], "apiVersion": definition["apiVersion"]}
