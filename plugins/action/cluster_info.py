# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.hopsworks.airflow.plugins.modules.cluster_info import ACTION
from ansible_collections.hopsworks.airflow.plugins.plugin_utils.in_process import InProcess


class ActionModule(InProcess):
    """The module of this name in Ansible's own worker."""

    ACTION = ACTION
