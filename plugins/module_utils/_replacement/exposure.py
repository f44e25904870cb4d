# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds fields of an object that others may use or that restrict access, and that its replacement lacks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._pods.definition import is_ours

if TYPE_CHECKING:
    from .._rollout.apply import Step

Object = dict[str, Any]
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
EVERYBODY = frozenset({"0.0.0.0/0", "::/0"})
# Fields of a Service that are checked separately, follow from the deployment, or are allocated again.
OWN_FIELDS = frozenset(
    {"type", "ports", "selector", "clusterIP", "clusterIPs", "healthCheckNodePort", "loadBalancerSourceRanges"}
)
# They record the creator of an object, which changes.
MADE_BY = ("kubectl.kubernetes.io/", "meta.helm.sh/", "helm.sh/")


def losses(step: Step) -> list[str]:
    """Warnings, for the plan."""
    told = {"Service": _service, "ServiceAccount": _account, "Role": _role, "RoleBinding": _binding}
    if step.live is None or step.action == "unchanged" or step.kind not in told:
        return []
    return list(told[step.kind](step.name, step.live, step.after))


def refuse_opening(step: Step, untouched: str) -> None:
    """Raises OperatorError for a load balancer of others that would lose its access restrictions."""
    before, after = step.live, step.after
    if before is None or step.action != "replaced" or step.kind != "Service" or is_ours(before):
        return
    if {before["spec"].get("type"), after["spec"].get("type")} != {"LoadBalancer"}:
        return
    fence = [f"annotation {key}" for key in _lost_annotations(before, after) if _is_about_balancer(key, after)]
    if (ranges := _ranges(before)) and not ranges & EVERYBODY and not _ranges(after):
        fence.append(f"loadBalancerSourceRanges {', '.join(sorted(ranges))}")
    if fence:
        raise OperatorError(
            f"Service {step.name} is a load balancer with {', '.join(fence)}; without that, its replacement may be "
            "open to everyone",
            expected="the same restrictions, or others, in the description",
            untouched=untouched,
            next_step="set loadBalancerSourceRanges in airflow_service_spec (0.0.0.0/0 opens it on purpose) and the "
            "annotations in airflow_service_annotations; then run the same command again",
        )


def _is_about_balancer(key: str, after: Object) -> bool:
    """Whether a lost annotation concerns the load balancer; each cloud has its own annotation for an internal one."""
    return "loadbalancer" in key.lower().replace("-", "") and key != SOURCE_RANGES and key not in _annotations(after)


def _service(name: str, before: Object, after: Object) -> Iterator[str]:
    old, new = before["spec"], after["spec"]
    node_ports = _values(old, "nodePort") - _values(new, "nodePort")
    # A definition without the result of a dry run may omit the type.
    types = [spec.get("type", "ClusterIP") for spec in (old, new)]
    if types[0] != types[1] or node_ports:
        yield (
            f"Service {name} is of type {types[0]}"
            + (f" with node port {', '.join(sorted(node_ports))}" if node_ports else "")
            + (
                f", and becomes one of type {types[1]}: clients that reach it from outside in this way can no longer "
                "do so. Set it in airflow_service_spec to keep it"
            )
        )
    ports = sorted(_values(old, "port") - _values(new, "port"))
    ports += sorted(repr(port) for port in _values(old, "name") - _values(new, "name"))
    if ports:
        yield (
            f"Service {name} no longer has port {', '.join(ports)}: an Ingress or a client that uses it fails. Set it "
            "in airflow_service_spec to keep it"
        )
    fields = sorted(key for key in old if key not in OWN_FIELDS and old[key] != new.get(key))
    if _ranges(before) != _ranges(after) and _ranges(before):
        fields.append(f"loadBalancerSourceRanges ({', '.join(sorted(_ranges(before)))})")
    if fields:
        yield f"Service {name} loses or changes {', '.join(fields)}. Set them in airflow_service_spec to keep them"
    if keys := [f"annotation {key}" for key in _lost_annotations(before, after)]:
        yield f"Service {name} loses or changes {', '.join(keys)}. Set them in airflow_service_annotations to keep them"


def _account(name: str, before: Object, after: Object) -> Iterator[str]:
    if keys := _lost_annotations(before, after):
        yield (
            f"ServiceAccount {name} loses or changes annotation {', '.join(keys)}: pods may lose an identity, such as "
            "that at a cloud provider. Set it in airflow_service_account_annotations to keep it"
        )


def _role(name: str, before: Object, after: Object) -> Iterator[str]:
    kept = [*_rights(after)]
    lost = [
        right
        for right in dict.fromkeys(_rights(before))
        if not any(all(has in ("*", part) for has, part in zip(other, right, strict=True)) for other in kept)
    ]
    if lost:
        texts = (
            f"{verb} {resource}{f'.{group}' if group else ''}{'' if of == '*' else f'/{of}'}"
            for group, resource, verb, of in lost
        )
        yield f"Role {name} no longer allows {', '.join(texts)}. Set this in airflow_role_rules to keep it"


def _binding(name: str, before: Object, after: Object) -> Iterator[str]:
    kept = [_words(subject, "kind", "namespace", "name") for subject in after.get("subjects") or []]
    bound = [_words(subject, "kind", "namespace", "name") for subject in before.get("subjects") or []]
    role = _words(before["roleRef"], "kind", "name")
    if role != _words(after["roleRef"], "kind", "name"):
        yield f"RoleBinding {name} no longer grants the rights of {role}. Set them in airflow_role_rules to keep them"
    elif lost := [subject for subject in bound if subject not in kept]:
        yield (
            f"RoleBinding {name} no longer grants the rights of {role} to {', '.join(lost)}; create a RoleBinding with "
            "another name for that"
        )


def _rights(role: Object) -> Iterator[tuple[str, ...]]:
    """Each as group, resource, verb and name of the object, or `*`."""
    for rule in role.get("rules") or []:
        yield from product(
            rule.get("apiGroups", []), rule.get("resources", []), rule["verbs"], rule.get("resourceNames") or ["*"]
        )


def _words(reference: Object, *keys: str) -> str:
    return " ".join(str(reference[key]) for key in keys if key in reference)


def _values(spec: Object, key: str) -> set[str]:
    return {str(port[key]) for port in spec.get("ports", []) if port.get(key)}


def _ranges(service: Object) -> set[str]:
    """The source ranges of a load balancer; none means no restriction."""
    said = service["spec"].get("loadBalancerSourceRanges") or _annotations(service).get(SOURCE_RANGES, "").split(",")
    return {part.strip() for part in said if part.strip()}


def _annotations(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def _lost_annotations(before: Object, after: Object) -> list[str]:
    kept = _annotations(after)
    return sorted(
        key for key, value in _annotations(before).items() if kept.get(key) != value and not key.startswith(MADE_BY)
    )
