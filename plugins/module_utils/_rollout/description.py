# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import difflib
import operator
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._common.failure import OperatorError
from .._http.address import problem_of
from .._keys.entries import check_signers
from .order import ORDER

LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
# Kubernetes' rules for names; a workload's name is also the value of a label.
OBJECT = (re.compile(rf"(?=.{{1,253}}\Z){LABEL}(\.{LABEL})*"), "the name of an object (small letters, digits, - and .)")
SHORT_OBJECT = (re.compile(rf"(?=.{{1,63}}\Z){LABEL}(\.{LABEL})*"), f"{OBJECT[1]} of at most 63 characters")
NAMESPACE = (re.compile(LABEL), "the name of a namespace (at most 63 small letters, digits and -)")
SERVICE = (
    re.compile(f"(?=[a-z]){LABEL}"),
    "the name of a Service (at most 63 small letters, digits and -, a letter first)",
)
VALUE = (
    re.compile("[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"),
    "the value of a label (1 to 63 letters, digits, -, _ and ., a letter or digit at both ends)",
)
NAMES = {
    "airflow_name": VALUE,
    "airflow_record_name": OBJECT,
    "airflow_namespace": NAMESPACE,
    "airflow_service": SERVICE,
    "airflow_service_account": OBJECT,
    "airflow_keys_secret": OBJECT,
    "airflow_runtime_secret": OBJECT,
    "airflow_database_password_secret": OBJECT,
}
ALWAYS = ("api-server", "scheduler")
# Options and their choices in argument_specs. Reading all of it as YAML would take a third of a second.
OPTION = re.compile(r"^ {6}airflow_(\w+):$|^ {8}choices: \[(.*)\]$", re.MULTILINE)


def refuse_odd(described: Mapping[str, Any]) -> None:
    """Raises OperatorError if the variables of a deployment, given by name, are invalid."""
    problems = [*_names(described), *_components(described["airflow_components"]), *_reached(described)]
    if problems:
        raise OperatorError(
            "; ".join(problems),
            expected=(
                f"some of the components {', '.join(ORDER)} in this order, each with its own workload and signing key; "
                "at least one replica; names that Kubernetes accepts; an address like "
                "https://hopsworks.example.com/hopsworks-api/airflow"
            ),
            untouched="everything",
            next_step="correct the description of this deployment, and run the same command again",
        )


def refuse_misspelt(variables: Iterable[str], specification: str) -> None:
    """Raises OperatorError if one of these variables is almost an option, or is named after the choice of one.

    All others are the user's own. The names are compared without their prefix, which would make all of them alike.
    """
    meant, option = dict[str, str](), ""
    for name, choices in OPTION.findall(specification):
        option = name or option
        meant |= {word.replace("_", "").lower(): f"airflow_{option}" for word in (name, *choices.split(", ")) if word}
    problems = []
    for variable in set(variables) - set(meant.values()):
        word = "".join(variable.lower().split("_")[1:])
        # With a word more or less it is another name.
        near = [each for each in difflib.get_close_matches(word, meant, cutoff=0.87) if abs(len(each) - len(word)) < 3]
        # One wrong letter, or two in the wrong order, which are a big part of a short name.
        near += [each for each in meant if _wrong_letters(each, word) < 2 or sorted(each) == sorted(word)]
        problems += [f"{variable} is not an option; the nearest one is {meant[each]}" for each in near[:1]]
    if problems:
        raise OperatorError(
            "; ".join(sorted(problems)),
            expected="options as `ansible-doc -t role hopsworks.airflow.deployment` lists them",
            untouched="everything",
            next_step="correct the name; if it is a variable of your own, rename it so that it resembles no option",
        )


def _wrong_letters(one: str, other: str) -> int:
    return sum(map(operator.ne, one.ljust(len(other)), other.ljust(len(one))))


def _names(described: Mapping[str, Any]) -> Iterator[str]:
    for variable, (pattern, what) in NAMES.items():
        # Before ansible-core 2.19, a vault-encrypted value is not a text, and a number never is.
        if not pattern.fullmatch(str(described[variable])):
            yield f"{variable} {str(described[variable])!r} is not {what}"


def _components(components: list[Mapping[str, Any]]) -> Iterator[str]:
    names = [str(component.get("name")) for component in components]
    if names != [name for name in ORDER if name in names] or not set(ALWAYS) <= set(names):
        yield f"the components {', '.join(names)}"
    workloads = [str(component.get("workload")) for component in components]
    if len(set(workloads)) < len(workloads):
        yield f"two components with one workload: {', '.join(workloads)}"
    for workload in workloads:
        if not SHORT_OBJECT[0].fullmatch(workload):
            yield f"workload {workload!r} is not {SHORT_OBJECT[1]}"
    for name, component in zip(names, components, strict=True):
        replicas = component.get("replicas")
        if replicas is not None and not re.fullmatch("0*[1-9][0-9]*", str(replicas)):
            yield f"{replicas} replicas of {name}"
    try:
        check_signers(tuple(str(each["signing_key"]) for each in components if each.get("signing_key")), "")
    except OperatorError as refused:
        yield refused.found


def _reached(described: Mapping[str, Any]) -> Iterator[str]:
    address = str(described["airflow_public_url"])
    empty = "has an empty part in its path" if re.search("[^:]//", address) else None
    if problem := problem_of(address, base=True) or empty:
        yield f"the address airflow_public_url {problem}"
    file = str(described["airflow_ca_file"] or "")
    if file and not os.path.isfile(os.path.expanduser(file)):
        yield f"there is no file {file} (airflow_ca_file) on this machine"
