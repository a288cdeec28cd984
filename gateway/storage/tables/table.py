"""What all tables share: the name follows the class, and no database is bound, because statements are compiled per engine."""

import re

import peewee as pw


def table_name(model: type[pw.Model]) -> str:
    """Return `relying_party` for `RelyingParty`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", model.__name__).lower()


class Table(pw.Model):
    """A table; its columns are its fields, in the order of the migration."""

    class Meta:
        """How tables are named."""

        table_function = table_name


class Configuration(Table):
    """A table that most requests read and few ever change, so that it is kept in memory (`Database.remembered`)."""
