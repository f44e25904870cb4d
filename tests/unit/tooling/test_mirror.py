# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The test of a file has the name of the file, or the table below names it."""

from __future__ import annotations

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
PLUGINS, UNIT = ROOT / "plugins", ROOT / "tests/unit"
# Modules are tested through what they perform, actions with `plugin_utils`; fragments are documentation.
FOLDERS = ("callback", "filter", "module_utils", "plugin_utils")
# Rooms whose tests are in a folder of another name.
ROOMS = {"_http": "http_clients", "plugin_utils": "action"}
# Files without a test of their name, and the test that covers each: directly, through what uses it, or in a playbook.
COVERED_BY = {
    "_airflow/heartbeats.py": "rollout/test_gates.py",
    "_airflow/targets.py": "probe/test_measurement.py",
    "_common/pauses.py": "kubernetes/test_retrying_client.py",
    "_common/temporary_files.py": "action/test_in_process.py",
    "_common/timestamps.py": "rollout/test_restart.py",
    "_database/connection.py": "database/test_server_wait.py",
    "_database/description.py": "metadata/test_inspection.py",
    "_database/engine.py": "database/mysql/test_privileges.py",
    "_database/engines.py": "database/test_client_job.py",
    "_database/failures.py": "database/test_server_wait.py",
    "_database/mysql/changes.py": "metadata/swap/test_reset.py",
    "_database/mysql/client.py": "database/test_client.py",
    "_database/mysql/connect.py": "database/mysql/test_silent_server.py",
    "_database/mysql/content.py": "metadata/dump/test_dumping.py",
    "_database/mysql/database.py": "metadata/swap/test_reset.py",
    "_database/mysql/engine.py": "metadata/new_schema/test_migrate_job.py",
    "_database/mysql/tool_output.py": "database/test_client.py",
    "_database/tls.py": "database/mysql/test_tls.py",
    "_hopsfs/access.py": "hopsfs/test_modules.py",
    "_hopsfs/acl.py": "hopsfs/test_manifest.py",
    "_hopsfs/counts.py": "hopsfs/test_addressing.py",
    "_hopsfs/failure.py": "hopsfs/test_client.py",
    "_hopsfs/repeats.py": "hopsfs/test_client.py",
    "_hopsfs/synchronization.py": "hopsfs/test_properties.py",
    "_http/session.py": "http_clients/test_policy.py",
    "_keys/change.py": "keys/test_rotation.py",
    "_keys/entries.py": "keys/test_states.py",
    "_keys/jwks.py": "keys/test_ring.py",
    "_keys/result.py": "keys/test_ring.py",
    "_kubernetes/account.py": "pods/test_uses.py",
    "_kubernetes/call.py": "rollout/test_rolling_restart.py",
    "_kubernetes/clock.py": "kubernetes/test_secret.py",
    "_kubernetes/cluster.py": "kubernetes/test_current_credentials.py",
    "_kubernetes/execute.py": "kubernetes/test_session.py",
    "_kubernetes/kubeconfig.py": "kubernetes/test_connection.py",
    "_kubernetes/managed.py": "kubernetes/test_managed_secret.py",
    "_kubernetes/tunnel.py": "kubernetes/test_session.py",
    "_kubernetes/unreachable.py": "kubernetes/test_retrying_client.py",
    "_kubernetes/workloads.py": "rollout/test_standing.py",
    "_metadata/info.py": "metadata/test_encrypted.py",
    "_metadata/new_schema/migration.py": "metadata/new_schema/test_building.py",
    "_metadata/records.py": "metadata/test_ownership.py",
    "_metadata/swap/move.py": "metadata/swap/test_interrupted.py",
    "_metadata/swap/states.py": "metadata/test_folding.py",
    "_metadata/swap/swap.py": "metadata/swap/test_reset.py",
    "_pods/own_job.py": "database/test_client_job.py",
    "_pods/phase.py": "pods/test_verdict.py",
    "_preflight/credentials_expiry.py": "kubernetes/test_lifetime.py",
    "_probe/requester.py": "probe/test_availability.py",
    "_replacement/keeping.py": "replacement/test_replacement.py",
    "_rollout/belonging.py": "rollout/test_apply.py",
    "_rollout/description.py": "deployment/test_misspelt.py",
    "_rollout/troubles.py": "replacement/test_restoration_refused.py",
    "_rollout/writing.py": "replacement/test_writing.py",
    "_run/action.py": "action/test_in_process.py",
    "_run/unlogged.py": "action/test_in_process.py",
    "callback/progress.py": "common/test_progress.py",
    "filter/database_connection.py": "deployment/test_database_tls.py",
    "filter/description_refusal.py": "deployment/test_misspelt.py",
    "filter/migration_environment.py": "deployment/test_settings.py",
    "filter/record_name.py": "common/test_names.py",
    "module.py": "action/test_in_process.py",
    "plugin_utils/of_module.py": "action/test_in_process.py",
    "plugin_utils/workers.py": "action/test_output.py",
}


def mirrored(code: str) -> str:
    """The test that has the name of a file: `_pods/images.py` is tested by `pods/test_images.py`."""
    *rooms, name = code.split("/")
    return "/".join([*(ROOMS.get(room, room.removeprefix("_")) for room in rooms), f"test_{name}"])


FILES = [file.relative_to(PLUGINS).as_posix() for folder in FOLDERS for file in (PLUGINS / folder).rglob("*.py")]
CODE = {code: mirrored(code) for code in (file.removeprefix("module_utils/") for file in FILES)}
TESTS = {test.relative_to(UNIT).as_posix() for test in UNIT.rglob("test_*.py")}


def test_each_file_has_a_test_of_its_name_or_an_entry_in_the_table():
    without = {code: test for code, test in CODE.items() if test not in TESTS and code not in COVERED_BY}
    assert without == {}


def test_the_table_has_no_entry_of_what_is_gone_or_has_a_test_of_its_name():
    assert sorted(COVERED_BY.keys() - CODE.keys()) == []
    assert [code for code in COVERED_BY if CODE[code] in TESTS] == []
    assert sorted(set(COVERED_BY.values()) - TESTS) == []


def test_the_table_is_in_order():
    assert list(COVERED_BY) == sorted(COVERED_BY)
