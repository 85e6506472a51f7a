"""dashboard: the page of a stack whose API takes tokens. Serves files only: they are public, the data is not."""

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
    """Read the files, once per settings: Lambda calls the handler many times."""
    sign_in = {"issuer": settings.jwt_issuer, "client_id": settings.dashboard_client_id}
    sign_in |= {"scope": f"openid {settings.jwt_read_scope}", "redirect_path": f"./{INDEX_PAGE}"}
    config = {"api": "..", "refresh_s": 5, "title": settings.stack_name, "auth": sign_in}
    return Site(_FOLDER, config, [settings.jwt_issuer, settings.dashboard_token_origin or settings.jwt_issuer])


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Respond to the HTTP API's request for a file."""
    page = site(DashboardSettings.parse(os.environ))
    file = (event.get("pathParameters") or {}).get("file")
    if file is None:  # relative, since a proxy may have added a path prefix
        return {"statusCode": 302, "headers": page.headers | {"Location": f"dashboard/{INDEX_PAGE}"}}
    headers = event["headers"]
    response = page.respond(
        file, accept_encoding=headers.get("accept-encoding", ""), if_none_match=headers.get("if-none-match", "")
    )
    body = base64.b64encode(response.body).decode()
    return {"statusCode": response.status, "headers": dict(response.headers), "body": body, "isBase64Encoded": True}
