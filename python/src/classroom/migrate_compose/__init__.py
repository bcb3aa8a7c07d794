"""Taking over the docker-compose project that this one replaces: its accounts, homes, secrets and settings.

The original is only read. `original` finds what is where, `people` reads the accounts, `wishes` what its files ask for
that settings say here, `files` what students have, `homes` puts that into homes; `record` remembers what is done.
"""
