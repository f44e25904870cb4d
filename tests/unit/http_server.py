# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An HTTP server in a thread, for tests of clients."""

from __future__ import annotations

import http.server
import ssl
import threading
from typing import Any


class HttpServer(http.server.ThreadingHTTPServer):
    """Answers until `close`, over TLS if a context is given, and writes no log."""

    def __init__(self, handler: type[http.server.BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> None:
        quiet = type(handler.__name__, (handler,), {"log_message": lambda *_arguments: None})
        super().__init__(("127.0.0.1", 0), quiet)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up, or refuse a certificate, are what some tests are about."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()
