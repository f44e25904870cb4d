# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .client import WebHdfs


def _is_removed(hdfs: WebHdfs, path: str, parameters: Mapping[str, Any]) -> bool:
    return parameters["xattr.name"] not in hdfs.xattrs(path)


def _is_moved(hdfs: WebHdfs, path: str, parameters: Mapping[str, Any]) -> bool:
    return hdfs.status(path) is None and hdfs.status(parameters["destination"]) is not None


# How to check that an operation is done, for those that are rejected if they are already done. The others can be
# repeated: DELETE answers false, MKDIRS true, CREATE overwrites, SETXATTR creates or replaces, and SETOWNER,
# SETPERMISSION, SETACL, REMOVEACL and SETTIMES set what is set.
DONE: Final[dict[str, Callable[[WebHdfs, str, Mapping[str, Any]], bool]]] = {
    "REMOVEXATTR": _is_removed,
    "RENAME": _is_moved,
}
