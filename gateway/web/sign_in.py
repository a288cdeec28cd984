"""The dispatcher of a sign-in and its pages."""

from flask import Blueprint

door = Blueprint("sign_in", __name__)
