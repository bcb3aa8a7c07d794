from __future__ import annotations

from classroom.web.gate_proof import PREFIX, authorization, is_proof

NAME = f"{PREFIX}0123"


def test_the_doctor_passes_to_its_own_server() -> None:
    assert is_proof("token", NAME, authorization("token", NAME))


def test_nobody_else_passes_and_the_doctor_to_no_other_server() -> None:
    assert not is_proof("token", NAME, authorization("other", NAME))
    assert not is_proof("token", f"{NAME}4", authorization("token", NAME))
    assert not is_proof("token", "ada", authorization("token", "ada"))
    for value in ("", "doctor", "t\u00f6ken", "\udc80"):
        assert not is_proof("token", NAME, value)
