# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A deployment whose pods hold the keys of the Secret as it was when they started, and the runs that rotate them.

Signers sign, validators check, all the time; containers die and start again; a kubelet mounts an older copy of the
Secret than the newest; runs are killed anywhere. What a pod trusts and signs with follows roles/deployment: it copies
its keys at start, and waits for the generation that its template names.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field

from ansible_collections.hopsworks.airflow.tests.unit.keys.server import SIGNERS, Server

LIFE = 600
LEEWAY = 10
MINIMUM_AGE = 86400
ORDER = ("api-server", "scheduler", "dag-processor")
VALIDATORS = ("api-server", "dag-processor")


class RefusedError(AssertionError):
    """A validator refused a token that had not expired."""


@dataclass
class Pod:
    template: int
    generation: int  # that its template asks for
    kid: str | None = None
    trusted: frozenset[str] = frozenset()


@dataclass
class Workload:
    run: str | None = None
    template: int = 1
    generation: int = 0
    pods: list[Pod] = field(default_factory=list)

    @property
    def outdated(self) -> list[Pod]:
        return [pod for pod in self.pods if pod.template != self.template]

    @property
    def rolling(self) -> bool:
        return len(self.pods) != 1 or bool(self.outdated)


class Site:
    """The Secret, the workloads, and every token that was ever signed (of each key, the one that lives longest)."""

    def __init__(self):
        self.server = Server()
        self.server.keys()
        self.copies = []
        self.expiry = {}
        self.next_kids = {}
        self.workloads = {name: Workload() for name in ORDER}
        self._remember()
        for name in ORDER:
            self._start(name, 0)
        self.work()

    def keys(self, **options):
        result = self.server.keys(**options)
        self._remember()
        return result

    def _remember(self):
        entries = dict(self.server.entries)
        if not self.copies or entries != self.copies[-1]:
            self.copies.append(entries)

    def _start(self, name, which):
        """A pod starts with one of the copies that its kubelet may have: `which` counts back from the newest."""
        workload = self.workloads[name]
        pod = Pod(workload.template, workload.generation)
        workload.pods.append(pod)
        self._read_keys(name, pod, which)

    def _read_keys(self, name, pod, which):
        self._remember()
        possible = [entries for entries in self.copies[-8:] if int(entries["generation"]) >= pod.generation]
        entries = possible[-1 - which % len(possible)]
        pod.kid = entries[f"{name}.kid"].decode() if name in SIGNERS else None
        pod.trusted = frozenset(key["kid"] for key in json.loads(entries["jwks.json"])["keys"])

    def die(self, name, which):
        """A container ends and starts again, by the template that its pod was made of."""
        pods = self.workloads[name].pods
        if pods:
            self._read_keys(name, pods[which % len(pods)], which)

    def roll(self, name, which):
        """One move of the controller: the api-server and the dag-processor surge, the scheduler never does."""
        workload = self.workloads[name]
        old, new = workload.outdated, len(workload.pods) - len(workload.outdated)
        if old and (new or name == "scheduler"):
            workload.pods.remove(old[0])
        elif not new:
            self._start(name, which)

    def restart(self, components, run, generation):
        """As `rolling_restart` does it; each `yield` is a place where the run may be killed."""
        for name in components:
            workload = self.workloads[name]
            if workload.run != run:
                workload.run, workload.generation = run, generation
                workload.template += 1
            yield
            while workload.rolling:
                self.roll(name, 0)
                yield

    def work(self):
        """All signers sign, all validators check. Raises RefusedError for a refused token that has not expired."""
        now = self.server.now
        for name in SIGNERS:
            for pod in self.workloads[name].pods:
                self.expiry[pod.kid] = now + datetime.timedelta(seconds=LIFE)
        for name in VALIDATORS:
            for pod in self.workloads[name].pods:
                refused = [kid for kid, expiry in self.expiry.items() if expiry > now and kid not in pod.trusted]
                if refused:
                    raise RefusedError(f"{name} refuses {refused}")

    def check_secret(self):
        """Never more than two generations, and of the next one never another within one rotation."""
        entries, rotation = self.server.entries, self.server.annotations.get("hopsworks.airflow/key-rotation")
        assert len(json.loads(entries["jwks.json"])["keys"]) <= 2 * len(SIGNERS)
        upcoming = sorted(value for name, value in entries.items() if "-next-" in name)
        if upcoming:
            assert self.next_kids.setdefault(rotation, upcoming) == upcoming


class SiteWithOutage(Site):
    """One where tokens are refused on purpose, so nobody asks which."""

    def work(self):
        self.expiry.clear()


class ValidatorsNotRestarted(Site):
    def restart(self, components, run, generation):
        return iter(()) if run.endswith("-publish") else super().restart(components, run, generation)


class OneValidatorNotRestarted(Site):
    def restart(self, components, run, generation):
        return super().restart(components[:1] if run.endswith("-publish") else components, run, generation)


class GenerationNotTold(Site):
    def restart(self, components, run, generation):
        return super().restart(components, run, 0)


class RetirementBeforeTheLastToken(Site):
    def keys(self, **options):
        if options.get("retire_after"):
            options["retire_after"] //= 2
        return super().keys(**options)


class RetirementCountedFromBeforeTheRestart(Site):
    def keys(self, **options):
        result = super().keys(**options)
        if options["state"] == "activated":
            super().keys(state="activated", retire_after=LIFE + LEEWAY)
        return result


def rotate(site, new_id):
    """One run of the overlap rotation: what is due, and no more. Each `yield` is a place where it may be killed."""
    keys = site.server.info(minimum_age=MINIMUM_AGE)
    if not keys["due"]:
        return
    if keys["state"] == "replaced":
        yield from cut_over(site, new_id)
        return
    if keys["state"] in ("steady", "published"):
        keys = site.keys(state="published", rotation=new_id, minimum_age=MINIMUM_AGE)
        yield from site.restart(VALIDATORS, f"{keys['rotation']}-publish", keys["generation"])
        keys = site.keys(state="activated")
    if keys["state"] == "activated" and not keys["retire_after"]:
        yield from site.restart(ORDER, f"{keys['rotation']}-activate", keys["generation"])
        site.keys(state="activated", retire_after=LIFE + LEEWAY)
        return
    keys = site.keys(state="retired")
    yield from site.restart(VALIDATORS, f"{keys['rotation']}-retire", keys["generation"])
    site.keys(state="steady")


def cut_over(site, new_id):
    """One run of the cut-over, which goes on with one that was interrupted."""
    keys = site.server.info()
    rotation = keys["rotation"] if keys["state"] == "replaced" else new_id
    keys = site.keys(state="replaced", rotation=rotation)
    yield from site.restart(ORDER, f"{keys['rotation']}-cutover", keys["generation"])
    site.keys(state="steady")


def to_the_end(run):
    for _step in run:
        pass
