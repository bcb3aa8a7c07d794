"""Settings: the models, the reader of settings.json, groups and the reference page."""
