# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


def whole_acl(entries: tuple[str, ...], permission: str) -> list[str]:
    """The entries for SETACL: those of `acl`, with owner, group, mask and others from the permission's digits."""
    owner, group, others = (
        "".join(letter if int(digit) & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))
        for digit in permission[-3:]
    )
    access = [entry for entry in entries if not entry.startswith("default:")]
    base = [f"user::{owner}", f"other::{others}"]
    # With an access ACL the group digit is the mask, and the group's own entry is among the entries.
    base.append(f"mask::{group}" if access else f"group::{group}")
    return [*base, *entries]
