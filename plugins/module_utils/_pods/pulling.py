# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .admission import Admission, Coming, told
from .images import Puller
from .uses import uses_of

if TYPE_CHECKING:
    from .._kubernetes.call import Call


def act(call: Call) -> dict[str, Any]:
    """Pulls each image, or predicts it, in the order in which they are given."""
    nodes = {image: _pull(call, image) for image in call.params["images"]}
    pulled = [
        image for image, states in nodes.items() if ("missing" if call.check_mode else "pulled") in states.values()
    ]
    return {
        "changed": bool(pulled),
        "images": nodes,
        "pulled": pulled,
        "diff": [_difference(image, nodes[image], predicted=call.check_mode) for image in pulled],
    }


def _pull(call: Call, image: str) -> dict[str, str]:
    """For each node, `present`, `pulled` or `missing`."""
    params = call.params
    puller = Puller(
        call.cluster,
        call.progress,
        params["deployment"],
        image,
        uses_of(call.cluster, image, params["workloads"]),
        {"labels": params["labels"], "annotations": params["annotations"]},
        params["resources"],
        nodes_on_demand=params["nodes_on_demand"],
    )
    reported = puller.nodes()
    for warning in puller.untried:
        call.warn(warning)
    pulls = puller.pulls()
    states = {name: "present" if present else "missing" for name, present in reported.items()}
    if call.check_mode:
        # Not the trials: an empty plan needs no room for a pod, and the workloads' own pods are checked with these.
        tried = {pull.use.name: pull for pull in pulls if not pull.trial}
        admission = Admission(call.cluster, set(), nodes_on_demand=params["nodes_on_demand"])
        for pull in tried.values():
            # One by one, because a quota needs no room for more.
            told(call, admission.look([Coming("Pod", "image-pull", puller.pod(pull, params["timeout"]))]))
        return states
    outcome = puller.pull(pulls, timeout_seconds=params["timeout"])
    for name, reason in outcome.left_out.items():
        call.warn(
            f"node {name} has no room for the pod that pulls {image} there ({reason}); if the node does not have the "
            "image, a new pod on it waits for the pull during the outage"
        )
    states |= {name: "pulled" if new else "present" for name, new in outcome.pulled.items()}
    # With the policy Always, an existing image is requested again.
    return states | {name: "present" for name, present in reported.items() if present}


def _difference(image: str, states: dict[str, str], *, predicted: bool) -> dict[str, Any]:
    before = {name: "present" if state == "present" else "missing" for name, state in states.items()}
    after = {name: "missing" if state == "missing" and not predicted else "present" for name, state in states.items()}
    header = f"image {image}"
    return {"before_header": header, "after_header": header, "before": before, "after": after}
