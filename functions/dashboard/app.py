"""dashboard: serves the files of the dashboard. They are public; the data behind the API are not."""

import base64
import os
from functools import cache
from pathlib import Path
from typing import Any

from tailrace.aws.runtime.settings import DashboardSettings
from tailrace.http.static_site import INDEX_PAGE, Site

_FOLDER = Path(__file__).with_name("site")


@cache
def site(settings: DashboardSettings) -> Site:
    """Load the site, once per Lambda environment."""
    sign_in = {"issuer": settings.jwt_issuer, "client_id": settings.dashboard_client_id}
    sign_in |= {"scope": f"openid {settings.jwt_read_scope}", "redirect_path": f"./{INDEX_PAGE}"}
    config = {"api": "..", "refresh_s": 5, "title": settings.stack_name, "auth": sign_in}
    return Site(_FOLDER, config, [settings.jwt_issuer, settings.dashboard_token_origin or settings.jwt_issuer])


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Return the file that an HTTP API request asks for."""
    page = site(DashboardSettings.parse(os.environ))
    file = (event.get("pathParameters") or {}).get("file")
    if file is None:  # relative, because a custom domain may add a path prefix
        return {"statusCode": 302, "headers": page.headers | {"Location": f"dashboard/{INDEX_PAGE}"}}
    headers = event["headers"]
    response = page.respond(
        file, accept_encoding=headers.get("accept-encoding", ""), if_none_match=headers.get("if-none-match", "")
    )
    body = base64.b64encode(response.body).decode()
    return {"statusCode": response.status, "headers": dict(response.headers), "body": body, "isBase64Encoded": True}
