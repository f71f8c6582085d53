"""Requests to Airflow's REST API."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import Request, urlopen


class AirflowApi:
    """A client of Airflow's API, signed in as a user.

    Args:
        url: The address of Airflow's web page.
        user: The name of the user.
        password: The password of the user.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url
        self._credentials = {"username": user, "password": password}
        self._token = ""

    def request(
        self, path: str, body: Any = None, *, method: str | None = None, authenticate: bool = True
    ) -> Any:
        """Send a request and parse the response.

        Args:
            path: The path with the API's version, such as ``/api/v2/dags``.
            body: What to send as JSON, if anything.
            method: The HTTP method; by default GET, or POST with a body.
            authenticate: Whether to send the user's token.

        Raises:
            URLError: If there is no response, or it is an error.
        """
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if authenticate:
            headers["Authorization"] = f"Bearer {self._access_token()}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._url + path, data, headers, method=method)  # nosec B310 # noqa: S310 - this machine
        with urlopen(request, timeout=30) as response:  # nosec B310 # noqa: S310
            return json.load(response)

    def _access_token(self) -> str:
        if not self._token:
            response = self.request("/auth/token", self._credentials, authenticate=False)
            self._token = response["access_token"]
        return self._token
