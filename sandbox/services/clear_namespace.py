#!/usr/bin/env python3
# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes every object of a namespace that isn't the test cluster's own, of whatever kind, and waits until it is gone.

The test cluster's own objects carry the label app.kubernetes.io/part-of=bed. Pods get one second to end, because their
last words are of no use. Prints what it deleted, one line each, without what something else had made.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from typing import Any

from kubernetes import client, config, dynamic
from kubernetes.dynamic.exceptions import NotFoundError

NOT_THE_BEDS = "app.kubernetes.io/part-of!=bed"
PATIENCE_SECONDS = 60
GRACE_SECONDS = 6
# Kubernetes writes these itself, and removes them with what they are about.
DERIVED = frozenset(["Event", "Endpoints", "EndpointSlice", "ControllerRevision"])
# What makes pods. Deleted without its pods, since these would get their own grace, of minutes, and a grace that has
# begun isn't reliably shortened.
CONTROLLERS = frozenset(["CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"])


def deletable_kinds(cluster: dynamic.DynamicClient) -> list[Any]:
    """The namespaced kinds that can be listed and deleted, each once; pods last, when nothing makes them again."""
    kinds = {}
    for resource in cluster.resources.search(namespaced=True):
        verbs = set(getattr(resource, "verbs", None) or [])
        if resource.kind in DERIVED or resource.kind.endswith("List") or not verbs >= {"list", "delete"}:
            continue
        if resource.preferred or resource.kind not in kinds:
            kinds[resource.kind] = resource
    return sorted(kinds.values(), key=lambda resource: (resource.kind == "Pod", resource.kind))


def delete_all(cluster: dynamic.DynamicClient, namespace: str) -> None:
    for resource in deletable_kinds(cluster):
        options: dict[str, Any] = {"propagationPolicy": "Orphan" if resource.kind in CONTROLLERS else "Background"}
        if resource.kind == "Pod":
            options["gracePeriodSeconds"] = 1
        for found in resource.get(namespace=namespace, label_selector=NOT_THE_BEDS).items:
            try:
                resource.delete(name=found.metadata.name, namespace=namespace, body=options)
            except NotFoundError:
                continue
            if not found.metadata.ownerReferences:
                print(f"{resource.kind} {found.metadata.name}")


def kill_containers(node: str, pods: list[Any]) -> None:
    """Ends the containers of pods through the node's containerd."""
    script = (
        "for pod; do ctr -n k8s.io containers ls -q"
        ' "labels.\\"io.kubernetes.pod.uid\\"==$pod,labels.\\"io.cri-containerd.kind\\"==container"; done'
        " | xargs -r -n1 ctr -n k8s.io tasks kill --signal SIGKILL"
    )
    uids = [pod.metadata.uid for pod in pods]
    # A container that has ended on its own in the meantime makes this fail, and nothing else is of interest.
    subprocess.run(["docker", "exec", node, "sh", "-c", script, "sh", *uids], check=False, capture_output=True)


def wait_until_gone(cluster: dynamic.DynamicClient, namespace: str, node: str) -> bool:
    """Whether pods and what makes them were gone in time; the rest goes at once."""
    slow = [resource for resource in deletable_kinds(cluster) if resource.kind in CONTROLLERS | {"Pod"}]
    begin = time.monotonic()
    killed = False
    while left := {
        resource.kind: found
        for resource in slow
        if (found := resource.get(namespace=namespace, label_selector=NOT_THE_BEDS).items)
    }:
        waited = time.monotonic() - begin
        if waited > PATIENCE_SECONDS:
            return False
        # Pods whose end had begun before, with a grace of minutes: a second, shorter grace is accepted and not applied.
        if waited > GRACE_SECONDS and "Pod" in left and not killed:
            kill_containers(node, left["Pod"])
            killed = True
        time.sleep(0.3)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kubeconfig")
    parser.add_argument("namespace")
    parser.add_argument("node", help="name of the container that is the cluster's node")
    arguments = parser.parse_args()
    cluster = dynamic.DynamicClient(client.ApiClient(config.load_kube_config(arguments.kubeconfig)))
    delete_all(cluster, arguments.namespace)
    if not wait_until_gone(cluster, arguments.namespace, arguments.node):
        print(f"some objects are still there after {PATIENCE_SECONDS} s", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
