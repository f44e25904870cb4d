#!/usr/bin/env python3
# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes every object of a namespace that isn't the bed's own, of whatever kind, and waits until the pods are gone.

The bed's own objects carry the label app.kubernetes.io/part-of=bed. Objects with an owner go with it. Pods get one
second to end: nobody reads their last words. Prints what it deleted, one line each.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from kubernetes import client, config, dynamic
from kubernetes.dynamic.exceptions import ApiException, NotFoundError

NOT_THE_BEDS = "app.kubernetes.io/part-of!=bed"
PATIENCE_SECONDS = 60
# Kubernetes writes these itself, and removes them with what they are about.
DERIVED = frozenset(["Event", "Endpoints", "EndpointSlice", "ControllerRevision"])


def deletable_kinds(cluster: dynamic.DynamicClient) -> list[Any]:
    """The namespaced kinds that can be listed and deleted, each once; workloads first, so that nothing comes back."""
    kinds = {}
    for resource in cluster.resources.search(namespaced=True):
        verbs = set(getattr(resource, "verbs", None) or [])
        if resource.kind in DERIVED or resource.kind.endswith("List") or not verbs >= {"list", "delete"}:
            continue
        if resource.preferred or resource.kind not in kinds:
            kinds[resource.kind] = resource
    return sorted(kinds.values(), key=lambda resource: (resource.kind == "Pod", resource.group == "", resource.kind))


def delete_all(cluster: dynamic.DynamicClient, namespace: str) -> None:
    background = {"propagationPolicy": "Background"}
    for resource in deletable_kinds(cluster):
        is_pod = resource.kind == "Pod"
        for found in resource.get(namespace=namespace, label_selector=NOT_THE_BEDS).items:
            if found.metadata.ownerReferences and not is_pod:
                continue
            body = {**background, "gracePeriodSeconds": 1} if is_pod else background
            try:
                resource.delete(name=found.metadata.name, namespace=namespace, body=body)
            except NotFoundError:
                continue
            if not found.metadata.ownerReferences:
                print(f"{resource.kind} {found.metadata.name}")


def wait_for_pods(cluster: dynamic.DynamicClient, namespace: str) -> bool:
    pods = cluster.resources.get(api_version="v1", kind="Pod")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := pods.get(namespace=namespace, label_selector=NOT_THE_BEDS).items:
        if time.monotonic() > deadline:
            return False
        for pod in left:
            # A pod that its controller made after the list above, or one that ends with a longer grace.
            if (pod.metadata.deletionGracePeriodSeconds or 2) > 1:
                try:
                    pods.delete(name=pod.metadata.name, namespace=namespace, body={"gracePeriodSeconds": 1})
                except ApiException as error:
                    if error.status != 404:
                        raise
        time.sleep(0.3)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kubeconfig")
    parser.add_argument("namespace")
    arguments = parser.parse_args()
    cluster = dynamic.DynamicClient(client.ApiClient(config.load_kube_config(arguments.kubeconfig)))
    delete_all(cluster, arguments.namespace)
    if not wait_for_pods(cluster, arguments.namespace):
        print(f"pods are still there after {PATIENCE_SECONDS} s", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
