# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin of every module: each file in `plugins/action/` is a link to this one, under its module's name."""

from __future__ import annotations

from importlib import import_module

from ..plugin_utils.in_process import InProcess

_COLLECTION, _, _NAME = __name__.partition(".plugins.")


class ActionModule(InProcess):
    """The module of this name in Ansible's own worker."""

    ACTION = import_module(f"{_COLLECTION}.plugins.modules.{_NAME.rpartition('.')[2]}").ACTION
