"""The public pages about error codes."""

from flask import Blueprint

door = Blueprint("help_pages", __name__)
