"""The endpoints of our OpenID provider."""

from flask import Blueprint

door = Blueprint("downstream", __name__)
