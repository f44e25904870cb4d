# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._kubernetes.objects import COLLECTIONS, listed_if_allowed

if TYPE_CHECKING:
    from .._kubernetes.objects import Objects

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.utils.quantity import parse_quantity

Object = dict[str, Any]
Amounts = dict[str, Decimal]
# Quotas name these without `requests.` as well.
SHORT_NAMES = ("cpu", "memory", "ephemeral-storage")
# And these without `count/`.
PLAIN_NAMES = ("configmaps", "secrets", "services")

# The API server's message about an object that does not fit; `limited` has the names of the amounts.
EXCEEDED = re.compile(
    r"exceeded quota: (?P<name>[^,\s]+)(?:, requested: .+?, used: (?P<used>.+?), limited: (?P<limited>.+))?"
)


def has_room_for_one_in_place_of_one(message: str) -> bool:
    """Whether a quota rejects one more object, although no more exist than it allows."""
    found = EXCEEDED.search(message)
    if found is None or found["used"] is None:
        return False
    used, limited = (
        _amounts(dict(amount.partition("=")[::2] for amount in found[part].split(","))) for part in ("used", "limited")
    )
    return all(amount <= limited[name] for name, amount in used.items())


@dataclass(frozen=True)
class Quota:
    """One ResourceQuota: its limits and usage for the pods in its scopes."""

    name: str
    hard: Amounts
    used: Amounts
    scopes: list[Object] = field(default_factory=list)

    def counts(self, spec: Object) -> bool:
        """Whether it counts a pod."""
        return all(in_scope(scope, spec) for scope in self.scopes)

    @property
    def not_understood(self) -> list[str]:
        return [scope["scopeName"] for scope in self.scopes if scope["scopeName"] not in SCOPES]


def quota_of(found: Object) -> Quota:
    spec, status = found["spec"], found.get("status", {})
    scopes = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes", [])]
    scopes += spec.get("scopeSelector", {}).get("matchExpressions", [])
    return Quota(
        found["metadata"]["name"],
        _amounts(status.get("hard", spec.get("hard", {}))),
        _amounts(status.get("used", {})),
        scopes,
    )


def _terminating(scope: Object, spec: Object) -> bool:
    del scope
    return "activeDeadlineSeconds" in spec


def _best_effort(scope: Object, spec: Object) -> bool:
    """Kubernetes only considers cpu and memory, and a request of zero does not count."""
    del scope
    return not any(
        amount
        for part in (spec, *spec.get("containers", []), *spec.get("initContainers", []))
        for kind in ("requests", "limits")
        for name, amount in _of(part, kind).items()
        if name in ("cpu", "memory")
    )


def _priority(scope: Object, spec: Object) -> bool:
    name, values = spec.get("priorityClassName", ""), scope.get("values", [])
    return {"In": name in values, "NotIn": name not in values, "Exists": bool(name), "DoesNotExist": not name}[
        scope.get("operator", "Exists")
    ]


SCOPES = {
    "Terminating": _terminating,
    "NotTerminating": lambda scope, spec: not _terminating(scope, spec),
    "BestEffort": _best_effort,
    "NotBestEffort": lambda scope, spec: not _best_effort(scope, spec),
    "PriorityClass": _priority,
}


def in_scope(scope: Object, spec: Object) -> bool:
    known = SCOPES.get(scope["scopeName"])
    return known is not None and known(scope, spec)


def counted_as(obj: Object) -> Counter[str]:
    """What quotas count for an object other than a pod, by the names that they use.

    https://kubernetes.io/docs/concepts/policy/resource-quotas/#object-count-quota
    """
    path, plural = COLLECTIONS[obj["kind"]]
    group = path.removeprefix("/apis/").partition("/")[0] if path.startswith("/apis/") else ""
    names = Counter([f"count/{plural}.{group}" if group else f"count/{plural}"])
    if plural in PLAIN_NAMES:
        names[plural] += 1
    if obj["kind"] == "Service":
        spec = obj["spec"]
        ports, balanced = spec.get("ports", []), spec.get("type") == "LoadBalancer"
        names["services.loadbalancers"] += balanced
        if balanced and spec.get("allocateLoadBalancerNodePorts") is False:
            ports = [port for port in ports if port.get("nodePort")]
        if balanced or spec.get("type") == "NodePort":
            names["services.nodeports"] += len(ports)
    return names


def usage(spec: Object) -> Amounts:
    """What quotas count for a pod, by the names that they use."""
    amounts: Amounts = {"pods": Decimal(1), "count/pods": Decimal(1)}
    for prefix in ("requests", "limits"):
        for resource, amount in _needed(spec, prefix).items():
            amounts[f"{prefix}.{resource}"] = amount
            if prefix == "requests" and resource in SHORT_NAMES:
                amounts[resource] = amount
    return amounts


def with_defaults(spec: Object, limit_ranges: list[Object]) -> Object:
    """A pod with the defaults that LimitRanges add to containers; the API server's own response already has them."""
    defaults = [item for found in limit_ranges for item in found["spec"]["limits"] if item.get("type") == "Container"]

    def completed(container: Object) -> Object:
        resources = container.get("resources") or {}
        limits, wanted = dict(resources.get("limits") or {}), dict(resources.get("requests") or {})
        for item in defaults:
            for name, value in item.get("defaultRequest", {}).items():
                wanted.setdefault(name, limits.get(name, value))
            for name, value in item.get("default", {}).items():
                limits.setdefault(name, value)
        return {**container, "resources": {"limits": limits, "requests": wanted}}

    return {
        **spec,
        **{
            kind: [completed(container) for container in spec[kind]]
            for kind in ("initContainers", "containers")
            if kind in spec
        },
    }


def requests(spec: Object) -> Amounts:
    """The free resources that a node must have for a pod."""
    return _needed(spec, "requests")


def _needed(spec: Object, kind: str) -> Amounts:
    """As the scheduler counts: all containers together, or the peak during its start, whichever is more."""
    running: Amounts = {}
    largest: Amounts = {}
    for container in spec.get("initContainers", []):
        amounts = _of(container, kind)
        if container.get("restartPolicy") == "Always":
            running = _sum(running, amounts)
            largest = _max(largest, running)
        else:
            largest = _max(largest, _sum(running, amounts))
    for container in spec.get("containers", []):
        running = _sum(running, _of(container, kind))
    needed = _max(largest, running)
    # A value for the whole pod takes precedence.
    needed.update(_of(spec, kind))
    return _sum(needed, _amounts(spec.get("overhead", {})))


def _of(container: Object, kind: str) -> Amounts:
    resources = container.get("resources") or {}
    given = resources.get(kind) or {}
    # A limit without a request also is the request.
    return _amounts({**(resources.get("limits") or {}), **given} if kind == "requests" else given)


def _amounts(given: Object) -> Amounts:
    return {name: parse_quantity(value) for name, value in given.items()}


def _sum(one: Amounts, other: Amounts) -> Amounts:
    return {name: one.get(name, Decimal(0)) + other.get(name, Decimal(0)) for name in {*one, *other}}


def _max(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, Decimal(0)), other.get(name, Decimal(0))) for name in {*one, *other}}


def shortfalls(
    quota: Quota,
    coming: list[tuple[Object, int]],
    freed: list[Object],
    objects: Iterable[str] = (),
    counted: Collection[int] = (),
) -> list[str]:
    """Which of its limits are too small for these pods once the freed ones are gone, as messages for the operator.

    `objects` are those that come with the pods, by the names that quotas use. `counted` are the positions of pods that
    it counts regardless of its scopes, according to the API server.
    """
    after = dict(quota.used)
    # Scopes only apply to pods.
    needed = {} if quota.scopes else {name: Decimal(number) for name, number in Counter(objects).items()}
    for position, (spec, count) in enumerate(coming):
        if position in counted or quota.counts(spec):
            needed = _sum(needed, {name: amount * count for name, amount in usage(spec).items()})
    back: Amounts = {}
    for spec in freed:
        if quota.counts(spec):
            back = _sum(back, usage(spec))
    problems = []
    for name, hard in sorted(quota.hard.items()):
        more = needed.get(name, Decimal(0)) - back.get(name, Decimal(0))
        total = after.get(name, Decimal(0)) + more
        if more > 0 and total > hard:
            problems.append(
                f"quota {quota.name} allows {_text(hard, name)} of {name}, and {_text(total, name)} would be used "
                f"(now {_text(after.get(name, Decimal(0)), name)})"
            )
    return problems


def _text(amount: Decimal, name: str) -> str:
    if "memory" in name or "storage" in name:
        return f"{float(amount) / 2**20:.6g}Mi"
    return f"{float(amount):.6g}"


def refuse_shortfalls(objects: Objects, more: Counter[str], untouched: str) -> None:
    """Raises OperatorError if quotas have no room for `more` objects, by the names that quotas use."""
    # If they cannot be listed, the check of the pods warns about it.
    quotas = [quota_of(found) for found in listed_if_allowed(objects, "ResourceQuota")]
    if short := [text for quota in quotas for text in shortfalls(quota, [], [], more.elements())]:
        raise OperatorError(
            "; ".join(short),
            expected="quotas with room for all objects that the run creates",
            untouched=untouched,
            next_step="have the quota raised, or remove objects that are not needed; then run the same command again",
        )
