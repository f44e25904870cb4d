# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Determines which parts of an object may be shown.

A text is shown only in a field that holds Kubernetes' own words or names of objects, and whose parents are all such
fields. All other texts are read by others (a program, a driver, a webhook) and may be secret: the environment, commands
and arguments, headers, attributes of volumes, annotations, data, and unknown fields. For these, only the path is shown,
and whether the text has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._common.redaction import redact

Object = dict[str, Any]
# Keys, and indexes of list elements.
Place = tuple[Any, ...]

NOT_SHOWN = "(not shown)"
OBJECTS = """
    apiVersion kind metadata name namespace ownerReferences finalizers spec type
    apiGroup apiGroups resources resourceNames verbs nonResourceURLs rules roleRef subjects
    scaleTargetRef metrics resource target averageValue
"""
SERVICES = """
    ports protocol appProtocol port targetPort clusterIP clusterIPs ipFamilies ipFamilyPolicy externalIPs externalName
    externalTrafficPolicy internalTrafficPolicy loadBalancerClass loadBalancerIP loadBalancerSourceRanges
    sessionAffinity sessionAffinityConfig clientIP
"""
WORKLOADS = """
    strategy updateStrategy rollingUpdate maxSurge maxUnavailable minAvailable unhealthyPodEvictionPolicy template
    podManagementPolicy serviceName persistentVolumeClaimRetentionPolicy whenDeleted whenScaled
    volumeClaimTemplates accessModes storageClassName volumeMode volumeName
"""
PODS = """
    containers initContainers image imagePullPolicy imagePullSecrets secrets restartPolicy dnsPolicy schedulerName
    serviceAccount serviceAccountName priorityClassName runtimeClassName preemptionPolicy nodeName
    tolerations effect operator key topologySpreadConstraints topologyKey whenUnsatisfiable
    securityContext seccompProfile fsGroupChangePolicy capabilities add drop
    env envFrom prefix valueFrom fieldRef fieldPath secretKeyRef secretRef configMapKeyRef configMapRef
    resourceFieldRef containerName divisor limits requests cpu memory storage ephemeral-storage
    livenessProbe readinessProbe startupProbe httpGet httpHeaders scheme tcpSocket exec grpc lifecycle preStop
    postStart sleep terminationMessagePolicy
    volumeMounts mountPath subPath mountPropagation volumes configMap secret secretName items projected sources
    serviceAccountToken downwardAPI emptyDir medium sizeLimit persistentVolumeClaim claimName csi driver
"""
# Contains no maps with free keys (labels, annotations, selectors, data, attributes) and nothing inside them.
CLEAR = frozenset(f"{OBJECTS}{SERVICES}{WORKLOADS}{PODS}".split())


def hidden(obj: Object, earlier: Object | None = None) -> Object:
    """An object in a form that may be shown. For each hidden text, it says whether it differs from the one in
    `earlier`."""
    shown: Object = _hidden(obj, dict(_texts(earlier, ())), (), clear=True)
    return shown


def _hidden(value: Any, earlier: dict[Place, str], place: Place, *, clear: bool) -> Any:
    if isinstance(value, dict):
        # A map with free keys only has texts, so a number belongs to a field.
        return {
            key: _hidden(item, earlier, (*place, key), clear=clear and (key in CLEAR or isinstance(item, int | float)))
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_hidden(item, earlier, (*place, part), clear=clear) for part, item in _parts(value)]
    if value is None or (clear and not isinstance(value, str)):
        return value
    if clear:
        return redact(value)
    return NOT_SHOWN if earlier.get(place, str(value)) == str(value) else f"{NOT_SHOWN}, another value"


def _texts(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*place, key))
    elif isinstance(value, list):
        for part, item in _parts(value):
            yield from _texts(item, (*place, part))
    elif value is not None:
        yield place, str(value)


def _parts(items: list[Any]) -> Iterator[tuple[str | int, Any]]:
    """The elements of a list by their names if these are unique, or else by their indexes."""
    names = [item["name"] for item in items if isinstance(item, dict) and "name" in item]
    yield from zip(names if len(set(names)) == len(items) else range(len(items)), items, strict=True)
