"""The routes of SCIM below an issuer."""

from flask import Blueprint

door = Blueprint("scim", __name__)
