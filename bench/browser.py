"""A browser without a window: it follows redirects, keeps cookies, and fills the sign-in page's form. Used once, before the load."""

import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests


class _Forms(HTMLParser):
    """Collects the forms of a page: where each leads, and its hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str], set[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self.forms.append((values.get("action") or "", {}, set()))
        elif tag == "input" and self.forms and values.get("name"):
            _, hidden, names = self.forms[-1]
            names.add(str(values["name"]))
            if values.get("type") == "hidden":
                hidden[str(values["name"])] = values.get("value") or ""


def sign_in(authorize_url: str, redirect_uri: str, login: str, password: str) -> dict[str, str]:
    """Sign somebody in at an app's authorization request and return the browser's cookies. Raises AssertionError where a page surprises."""
    browser = requests.Session()
    answer = browser.get(authorize_url, allow_redirects=False)
    for _ in range(12):
        if answer.is_redirect:
            target = urljoin(answer.url, answer.headers["Location"])
            if target.startswith(redirect_uri):
                return {cookie.name: cookie.value or "" for cookie in browser.cookies}
            answer = browser.get(target, allow_redirects=False)
            continue
        onward = re.search(r'http-equiv="refresh" content="\d+; ?url=([^"]+)"', answer.text)
        if onward:
            answer = browser.get(urljoin(answer.url, unescape(onward[1])), allow_redirects=False)
        else:
            answer = _submit(browser, answer, login, password)
    raise AssertionError("the sign-in does not end")


def _submit(browser: requests.Session, page: requests.Response, login: str, password: str) -> requests.Response:
    reader = _Forms()
    reader.feed(page.text)
    for wanted, values in (("password", {"login": login, "password": password}), ("login", {"login": login})):
        for action, hidden, names in reader.forms:
            if wanted in names:
                return browser.post(urljoin(page.url, action), hidden | values, allow_redirects=False)
    title = re.search(r"<title>(.*?)</title>", page.text, re.DOTALL)
    raise AssertionError(f"no form to sign in on the page {title[1] if title else page.status_code!r}")
