from __future__ import annotations

import pytest

from classroom.docker.features import Feature, missing_feature

RUNC = "OCI runtime create failed: runc create failed: unable to start container process: error during container init:"


@pytest.mark.parametrize(
    ("answer", "feature"),
    [
        # runc 1.1.15, and runc since 1.3.3 (internal/sys/sysctls.go).
        (f"{RUNC} open /proc/sys/net/ipv6/conf/all/disable_ipv6: no such file or directory: unknown.", Feature.IPV6),
        (f"{RUNC} open sysctl net.ipv6.conf.all.disable_ipv6 file: openat2: no such file or directory", Feature.IPV6),
        (f"{RUNC} error setting rlimits for ready process: error setting rlimit type 12", Feature.RAISED_LIMITS),
        (f"{RUNC} open /proc/sys/net/ipv4/conf/all/x: no such file or directory: unknown.", None),
        # Names that the hub chooses.
        ("volume classroom-home-sysctl.net.ipv6.conf.all.disable_ipv6: no such file or directory", None),
        ("", None),
    ],
)
def test_the_engines_words_for_what_is_missing_are_known(answer: str, feature: Feature | None) -> None:
    assert missing_feature(answer) is feature
