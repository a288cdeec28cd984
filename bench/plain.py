"""What everything is compared with: Flask that answers a constant."""

from flask import Flask, Response

application = Flask(__name__)


@application.get("/hello")
def hello() -> Response:
    """Answer a few bytes."""
    return Response(b'{"hello":"world"}', mimetype="application/json")


def factory() -> Flask:
    """Return the application, as the server's factory option wants it."""
    return application
