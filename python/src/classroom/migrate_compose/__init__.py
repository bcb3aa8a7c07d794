"""Migration of the docker-compose project that this one replaces: accounts, homes, keys and settings.

The project is only read. `project_files` finds its files, `stock_accounts` reads the accounts, `imported_settings` and
`hub_config` derive settings, `home_archive` and `homes` copy the students' files, `completed_homes` records what is
complete, `migration` plans and runs it all.
"""
