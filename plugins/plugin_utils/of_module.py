# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from importlib import import_module

from .in_process import InProcess


def of_module(action: str) -> type[InProcess]:
    """The action plugin with the given `__name__`: it performs the module of the same name in Ansible's own worker.

    The files in `plugins/action/` are identical. They are not links to one file, because `antsibull-docs` treats a
    linked plugin as an alias of the link's target, and then no longer finds the module.
    """
    plugins, name = action.rsplit(".action.", 1)
    module = import_module(f"{plugins}.modules.{name}")

    class OfModule(InProcess):
        __module__ = action
        ACTION = module.ACTION

    return OfModule
