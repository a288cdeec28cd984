"""The gateway for any WSGI server: `granian --interface wsgi wsgi:application`.

Migrate first (`moongate migrate`): several processes may start from here at once. A wrong setting stops the start with one line.
"""

import os

from gateway.app import create_app
from gateway.settings import Settings

application = create_app(Settings.from_env(os.environ))
