"""Reading the pages that a browser is shown."""

import re

from werkzeug.test import TestResponse


def refused_with_page(response: TestResponse) -> str:
    """The code on an error page; nobody is sent anywhere."""
    assert response.status_code == 400, response.text
    assert "Location" not in response.headers
    found = re.search(r'data-error="(\w+)"', response.text)
    assert found
    return found[1]
