# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The revisions and tables of Airflow's releases. Released packages don't change, so only newer ones may be missing.

Revisions come from `airflow/migrations/versions` of the packages on PyPI. What a newer image can migrate is asked of
that image, not of this table: a revision that is not here is unknown, and unknown is refused.
"""

from __future__ import annotations

# fmt: off
# apache-airflow 1.10.15 and 2.6.3: all migrations up to 2.6. No Airflow 3 migrates from any of them.
REVISIONS_BEFORE_2_7 = frozenset((
    "0038cd0c28b4", "004c1210f153", "03afc6b6f902", "03bc53e68815", "05f30312d566", "08364691d074", "092435bf5d12",
    "0a2a5b66e19d", "0e2a74e0fc9f", "127d2bf2dfa7", "13eb55f81627", "142555e44c17", "1486deb605b4", "1507a7289a2f",
    "1968acfc09e3", "1986afd32c1b", "1b38cef5b76e", "1de7bc13c950", "211e584da130", "27c6a30d7c24", "290244fb8b83",
    "2c6edca13270", "2e42bb497a22", "2e541a1dcfed", "2e82aab8ef20", "30867afad44a", "338e90f54d61", "33ae817a1ff4",
    "364159666cbd", "3c20cacc0044", "3c94c427fdf6", "40e67319e3a9", "41f5f12752f8", "424117c37d18", "4446e08588",
    "449b4072c2da", "44b7034f6bdc", "45ba3f1493b9", "48925b2719cb", "4addfa1236f1", "4eaab2fe6582", "502898887f84",
    "52d53670a240", "52d714495f0", "54bebd308c5f", "561833c1c74b", "587bdf053233", "5e3ec427fdd3", "5e7d17757c7a",
    "61ec73d9401f", "64a7d6477aae", "64de9cddf6c9", "6abdffdd4815", "6e96a59344a4", "74effc47d867", "75d5ed6c2b43",
    "786e3737b18f", "7939bcff74ba", "7b2661a43ba3", "82b7c48c147f", "83f031fd9f1c", "849da589634d", "8504051e801b",
    "852ae6c715af", "856955da8476", "8646922c8a04", "86770d1215c0", "8d48763f6d53", "8f966b9c467a", "909884dea523",
    "90d1635d7b86", "92c57b58940d", "939bb1e647c8", "947454bf1dff", "952da73b5eff", "9635ae0956e7", "97cdd93827b8",
    "98271e7606e2", "98ae134e6fff", "a13f7613ad25", "a3bcd0914482", "a4c2fd67d16b", "a56c9515abdc", "a66efa278eea",
    "b0d31815b5a6", "b1b348e02d07", "b247b1e3d1ed", "b25a55525161", "b3b105409875", "bba5a7cfc896", "bbc73705a13e",
    "bbf4a7ad0465", "bdaa763e6c56", "be2bfac3da23", "bef4f3d11e8b", "bf00311e1990", "c306b5b5ae4a", "c381b21cb7e4",
    "c804e5c76e3e", "c8ffec048a3b", "c97c2ab6aa23", "cc1e65623dc7", "ccde3e26fe78", "cf5dc11e79ad", "d2ae31099d61",
    "d38e04c12aa2", "da3f683c3a5a", "dd25f486b8ea", "dd4ecb8fbee3", "e07f49787c9d", "e165e7455d70", "e1a11ece99cc",
    "e38be357a868", "e3a246e0dc1", "e655c0453f75", "e9304a3141f0", "e959f08ac86c", "ecb43d2a1842", "ee8d93fcc81e",
    "f23433877c24", "f2ca10b85618", "f4ff391becb5", "f5fcbda3e651", "f9da662e7089", "fe461863935f",
))

# apache-airflow-core 3.0.6 and 3.3.2: all migrations from 2.7.0 on.
REVISIONS_FROM_2_7 = frozenset((
    "0242ac120002", "038dc8bc6284", "044f740568ec", "05234396c6fc", "05e19f3176be", "09fa89ba1710", "0b112f49112d",
    "0bfc26bc256e", "0d9e73a75ee4", "0e9519b56710", "0fd0c178cbe8", "10b52ebd31f7", "134de42d3cb0", "15d84ca19038",
    "16cbcb1c8c36", "16f7f5ee874e", "1949afb29106", "1b2c3d4e5f6g", "1cdc775ca98f", "1d6611b6ab7c", "1fd565369930",
    "22ed7efa9da2", "237cef8dfea1", "29ce7909c52b", "2b47dc6bc8df", "33b04e4bfa19", "375a816bbbf4", "38770795785f",
    "3a8972ecb8f9", "3ac9e5732b1f", "3bda03debd04", "405de8318b3a", "40f7c30a228b", "41b3bc7c0272", "44eabb1904b4",
    "486ac7936b78", "4bc4d934e2bc", "509b94a1042d", "522625f6d606", "53ff648b8a26", "55297ae24532", "583e80dfcef4",
    "5a5d66100783", "5c9c0231baa2", "5cc8117e9285", "5f2621c13b39", "5f57a45b8433", "6222ce48e289", "665854ef0536",
    "66a7743fe20e", "677fdbb7fc54", "686269002441", "69ddce9a7247", "6a9e7a527a88", "7582ea3f3dd5", "7645189f3479",
    "788397e78828", "808787349f22", "82dbd68e6171", "8684e37832e6", "8812eb67b63c", "88344c1d9134", "888b59e02a5b",
    "8e1c784a4fc7", "8ea135928435", "937cbd173ca1", "959e216a3abb", "9fabad868fdb", "9fc3fc5de720", "9ff64e1c35d3",
    "a169942745c2", "a1b2c3d4e5f6", "a2c32e6c7729", "a3c7f2b18d4e", "a4c2d171ae18", "a5a3e5eb9b8d", "a7e6d4c3b2f1",
    "a7f3b2c1d4e5", "ab34f260b71c", "ab6dc0c82d0e", "acc215baed80", "b12d4f98a91e", "b4078ac230a1", "b87d2135fa50",
    "b8f3e4a1d2c9", "bd5dfbe21f88", "be2cc2f742cf", "bff083ad727d", "c20871fbf23a", "c3389cd7793f", "c4602ba06b4b",
    "c47f2e1ab9d4", "c9d4e5f6a7b8", "cc92b33c6709", "cf87489a35df", "d03e4a635aa3", "d0f1c55954fa", "d2f4e1b3c5a7",
    "d469d27e2a64", "d482b7261ff9", "d59cbbef95eb", "d75389605139", "d8cd3297971e", "dd5f3a8e2b91", "dfee8bd5d574",
    "e00344393f31", "e229247a6cb1", "e39a26ac59f6", "e42d9fcd10d9", "e79fc784f145", "e812941398f4", "eaf332f43c7c",
    "ec3471c1e067", "ec62e120484d", "edc4f85a4619", "ee1467d4aa35", "eed27faa34e3", "f56f68b9e02f", "f7bf2a57d0a6",
    "f8c9d7e6b5a4", "fb2d4922cd79", "fde9ed84d07b", "fe199e1abd77", "ffdb0566c7c0",
))

# Tables of any release from 1.x to 2.6, by the migrations and models of the same packages, of flask-appbuilder (ab_*)
# and, in the same schema, of a Celery result backend (celery_*) and of the database as broker, 1.x's default (kombu_*).
TABLES_BEFORE_2_7 = frozenset((
    "ab_permission", "ab_permission_view", "ab_permission_view_role", "ab_register_user", "ab_role", "ab_user",
    "ab_user_role", "ab_view_menu", "alembic_version", "callback_request", "celery_taskmeta", "celery_tasksetmeta",
    "chart", "connection", "dag", "dag_code", "dag_owner_attributes", "dag_pickle", "dag_run", "dag_run_note",
    "dag_schedule_dataset_reference", "dag_stats", "dag_tag", "dag_warning", "dagrun_dataset_event", "dataset",
    "dataset_dag_run_queue", "dataset_event", "import_error", "job", "known_event", "known_event_type",
    "kombu_message", "kombu_queue", "kube_resource_version", "kube_worker_uuid", "log", "log_template",
    "rendered_task_instance_fields", "sensor_instance", "serialized_dag", "session", "sla_miss", "slot_pool",
    "task_fail", "task_instance", "task_instance_note", "task_map", "task_outlet_dataset_reference",
    "task_reschedule", "trigger", "user", "users", "variable", "xcom",
))

# In every schema of any release: without one of them it is incomplete, or not Airflow's.
ESSENTIAL_TABLES = frozenset((
    "alembic_version", "connection", "dag", "dag_run", "job", "log", "slot_pool", "task_instance", "variable", "xcom",
))
# fmt: on

# Rows that a migration could not carry over, or that `airflow db clean` took out, are kept in tables of these names.
KEPT_TABLE_PREFIXES = ("_airflow_moved__", "_airflow_deleted__")
