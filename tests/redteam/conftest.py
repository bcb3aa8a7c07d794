"""Fixtures of the running class, which are those of the behaviour tests."""

from __future__ import annotations

from behaviour.conftest import (  # noqa: F401 - fixtures, and the hook that adds logs to reports
    admin,
    admin_credentials,
    contexts,
    figure,
    kernel,
    mine,
    name,
    new_student,
    other,
    outside,
    pytest_runtest_makereport,
    reload,
    server,
    student,
    url,
    visit,
)
