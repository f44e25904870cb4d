# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pod of our own for the database's client tools, so that the database may be outside the cluster."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._common.redaction import secret_forms
from .._kubernetes.network import read_service
from .._pods.admission import Admission, told
from .._pods.job import Job, remove_leftovers
from .._pods.lossless import DEFAULT_CONTAINER
from .._pods.own_job import LABEL_ACTION, LABEL_RUN, POD_ARGUMENT, Pod, job_of, pod_of
from .client import Tools
from .engines import ENGINE
from .tls import TLS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._kubernetes.call import Call
    from .._kubernetes.cluster import Cluster
    from .address import Address

try:
    from kubernetes.client.exceptions import ApiException
except ImportError:  # reported by the module's own requirement check
    ApiException = Exception

ACTION = "database-client"
LABEL_TARGET = "hopsworks.airflow/database"
CONTAINER = "client"
# For the pod's start, in addition to the tool's own timeout.
START_SECONDS = 300
LEFTOVER_SECONDS = 60

# Options of the modules that need the tools; documented in the fragment hopsworks.airflow.database.client.
CLIENT_ARGUMENTS: dict[str, Any] = {
    "client_image": {"type": "str"},
    "pod_selector": {"type": "str"},
    "container": {"type": "str"},
    "pod": POD_ARGUMENT,
}


@contextlib.contextmanager
def client_tools(
    cluster: Cluster,
    address: Address,
    image: str,
    pod: Pod,
    run: str,
    timeout_seconds: int,
    progress: Callable[[str], None],
) -> Iterator[Tools]:
    """The tools of an image, in a Job that waits for commands and is deleted at the end of the block."""
    manifest = client_job(address, image, pod, run, timeout_seconds + START_SECONDS)
    labels = manifest["metadata"]["labels"]
    selector = ",".join(f"{name}={labels[name]}" for name in (LABEL_ACTION, LABEL_RUN, LABEL_TARGET))
    remove_leftovers(cluster, selector, LEFTOVER_SECONDS, progress)
    job = Job(cluster, manifest, progress, secret_forms(address.password))
    with job.started(START_SECONDS) as name:
        yield Tools(cluster, name, CONTAINER, address, timeout_seconds, TLS_FOLDER)


def try_client(call: Call, address: Address, image: str, pod: Pod, run: str, timeout_seconds: int) -> None:
    """Try the Job in a dry run. Warns of what that can't tell; raises OperatorError if the Job would be rejected."""
    manifest = client_job(address, image, pod, run, timeout_seconds + START_SECONDS)
    told(call, Admission(call.cluster, set(), nodes_on_demand=pod.nodes_on_demand).job(manifest))


def client_job(address: Address, image: str, pod: Pod, run: str, deadline_seconds: int) -> dict[str, Any]:
    """A Job whose container only sleeps: the tool is executed in it, and gets its password on standard input."""
    target = hashlib.sha256(f"{address.host}:{address.port}/{address.name}".encode()).hexdigest()[:16]
    labels = {
        "app.kubernetes.io/name": "airflow-database-client",
        "app.kubernetes.io/managed-by": "hopsworks.airflow",
        LABEL_ACTION: ACTION,
        LABEL_RUN: run,
        LABEL_TARGET: target,
    }
    files = address.tls.volume("database-tls")
    container = {
        "name": CONTAINER,
        "image": image,
        # The deadline ends it even if the process that started it is gone.
        "command": ["/bin/sh", "-c", f"exec sleep {deadline_seconds}"],
        "env": pod.environment,
        "volumeMounts": [{"name": files["name"], "mountPath": TLS_FOLDER, "readOnly": True}] if files else [],
    }
    return job_of(
        f"airflow-database-client-{run.replace('_', '-')}-{secrets.token_hex(3)}",
        labels,
        pod,
        container,
        [files] if files else [],
        timeout_seconds=deadline_seconds,
        grace_seconds=0,
        kept_seconds=60,
    )


def client_of(cluster: Cluster, address: Address, params: dict[str, Any]) -> tuple[str, Pod]:
    """The image with the client tools, and the pod for it. Defaults to those of the database's own pod.

    Raises OperatorError if that is not found.
    """
    pod, selector, container = pod_of(cluster, params["pod"]), params["pod_selector"], params["container"]
    if params["client_image"]:
        return params["client_image"], pod
    found = cluster.core.list_namespaced_pod(cluster.namespace, label_selector=selector).items if selector else []
    chosen = next(iter(found or _behind_service(cluster, address.host)), None)
    if chosen is None:
        raise OperatorError(
            f"no image with the database's client tools is known: no pod in namespace {cluster.namespace} has the"
            f" labels {selector!r}, and {address.host} is not a Service with pods",
            expected=f"an image with {ENGINE.tools}",
            untouched="everything",
            next_step="set client_image (airflow_database_client_image), for example to"
            f" {ENGINE.client_image}, or correct pod_selector",
        )
    containers = {entry.name: entry for entry in chosen.spec.containers}
    if container and container not in containers:
        raise OperatorError(
            f"pod {chosen.metadata.name} of the database has no container {container}",
            expected=f"one of {', '.join(containers)}",
            untouched="everything",
            next_step="correct `container`",
        )
    # A mesh may have put its own container first, and then names the default one.
    taken = container or (chosen.metadata.annotations or {}).get(DEFAULT_CONTAINER)
    source = containers.get(taken, chosen.spec.containers[0])
    return str(source.image), _pod_like(cluster, chosen, source, pod)


def _pod_like(cluster: Cluster, chosen: Any, source: Any, pod: Pod) -> Pod:
    """Like all pods of the deployment, but with the user of the database's own pod, which the image is made for.

    The database's pod also decides on which nodes it may run, unless the deployment itself does.
    """
    own = cluster.plain(chosen.spec)
    users = ("runAsUser", "runAsGroup", "runAsNonRoot", "fsGroup", "supplementalGroups", "seccompProfile")
    context = dict(own.get("securityContext") or {})
    of_container = cluster.plain(source).get("securityContext") or {}
    context |= {name: value for name, value in of_container.items() if name in users}
    if context.get("runAsUser"):
        context["runAsNonRoot"] = True
    profile = {name: value for name, value in pod.security_context.items() if name == "seccompProfile"}
    placed = pod.node_selector or pod.tolerations or pod.affinity
    # Affinities between pods concern only the database's own pods.
    of_nodes = (own.get("affinity") or {}).get("nodeAffinity")
    place: dict[str, Any] = {
        "node_selector": own.get("nodeSelector") or {},
        "tolerations": own.get("tolerations") or [],
        "affinity": {"nodeAffinity": of_nodes} if of_nodes else {},
    }
    # A Secret of another namespace can't be used here.
    own_secrets = own.get("imagePullSecrets") or [] if chosen.metadata.namespace == cluster.namespace else []
    return replace(
        pod,
        security_context={**profile, **context},
        image_pull_policy=source.image_pull_policy or pod.image_pull_policy,
        image_pull_secrets=[
            *pod.image_pull_secrets,
            *(item for item in own_secrets if item not in pod.image_pull_secrets),
        ],
        **({} if placed else place),
    )


def _behind_service(cluster: Cluster, host: str) -> list[Any]:
    """The pods of the Service with this host name, in any namespace; none if it is no Service."""
    service, *rest = host.split(".")
    if len(rest) > 1 and rest[1] != "svc":
        return []
    namespace = rest[0] if rest else cluster.namespace
    found = read_service(cluster, namespace, service)
    if found is None or not found.spec.selector:
        return []
    selector = ",".join(f"{key}={value}" for key, value in found.spec.selector.items())
    try:
        return list(cluster.core.list_namespaced_pod(namespace, label_selector=selector).items)
    except ApiException as error:
        if error.status == 403:
            return []
        raise
