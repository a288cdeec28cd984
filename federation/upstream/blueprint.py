"""The way to an identity provider and back."""

from flask import Blueprint

door = Blueprint("upstream", __name__)
