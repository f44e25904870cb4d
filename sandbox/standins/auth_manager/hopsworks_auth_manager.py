# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the auth manager that Hopsworks brings to Airflow 3, which isn't public.

It imitates what the operator notes for Airflow 3 on Hopsworks state:

- "The Airflow JWT carries project_ids / project_roles / is_admin at mint time and is stable for the cookie's TTL."
- "the Hopsworks backend pushing to POST /auth/internal/invalidate, which evicts the affected user's cached entry so the
  next login re-fetches the membership. A 60-second safety-net TTL on the cache catches drift". The bearer of
  ``/auth/internal/*`` is the entry ``internal-shared-secret`` of the Secret with the signing keys.
- "Airflow sets the cookie path from [api] base_url automatically."

Who a user is and what the user may do stays with Airflow's own SimpleAuthManager, from which this is derived; in the
real one, Hopsworks decides it. Works with Airflow 3.0 to 3.3. Section ``[hopsworks_auth_manager_standin]`` of
airflow.cfg: ``membership_file``, ``internal_secret_file``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from airflow.api_fastapi.app import API_ROOT_PATH
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.configuration import conf
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request, Response
from hopsworks_membership import Memberships, is_bearer_of
from pydantic import BaseModel

SECTION = "hopsworks_auth_manager_standin"
REMEMBERED_SECONDS = 60

router = APIRouter()


@functools.cache
def memberships() -> Memberships:
    """One cache a process: Airflow 3.0 makes an auth manager more than once."""
    return Memberships(Path(conf.get(SECTION, "membership_file")), REMEMBERED_SECONDS)


class User(BaseModel):
    username: str


def shared_secret_required(authorization: str | None = Header(default=None)) -> None:
    try:
        secret = Path(conf.get(SECTION, "internal_secret_file")).read_bytes().strip()
    except OSError:
        secret = b""
    if not is_bearer_of(authorization, secret):
        raise HTTPException(401, "Not for you", {"WWW-Authenticate": "Bearer"})


@router.post("/internal/invalidate", dependencies=[Depends(shared_secret_required)])
def invalidate(user: User) -> dict[str, bool]:
    return {"evicted": memberships().evict(user.username)}


async def with_cookie(request: Request, call_next: Callable[[Request], Awaitable[Any]]) -> Response:
    """The token of a login also as the cookie that browsers get."""
    answer = await call_next(request)
    if not (request.method == "POST" and request.url.path.endswith("/auth/token") and answer.status_code == 201):
        return answer
    body = b"".join([chunk async for chunk in answer.body_iterator])
    answer = Response(body, answer.status_code, dict(answer.headers))
    # Not for HTTP alone: the pages of 3.0 read it, and send it as bearer.
    answer.set_cookie(COOKIE_NAME_JWT_TOKEN, json.loads(body)["access_token"], path=API_ROOT_PATH, samesite="lax")
    return answer


class HopsworksAuthManagerStandin(SimpleAuthManager):
    def serialize_user(self, user: SimpleAuthManagerUser) -> dict[str, Any]:
        return {**super().serialize_user(user), **memberships().claims(user.username)}

    def get_fastapi_app(self) -> FastAPI | None:
        app = super().get_fastapi_app()
        if app is not None:
            app.include_router(router)
            app.middleware("http")(with_cookie)
        return app
