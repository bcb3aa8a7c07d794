"""JupyterHub's configuration file: all of it comes from the settings that $CLASSROOM_SETTINGS names."""

import os
from pathlib import Path

from traitlets.config import get_config

from classroom.hub.config import configure
from classroom.secrets import load_or_create
from classroom.settings.file import load_settings

settings = load_settings(Path(os.environ["CLASSROOM_SETTINGS"]))
configure(get_config(), settings, load_or_create(settings.paths.state))
