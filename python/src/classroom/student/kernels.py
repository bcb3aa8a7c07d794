"""Kernel managers: state by request, and kernels that students install into their homes."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpec, KernelSpecManager
from jupyter_client.session import Session
from jupyter_core.paths import jupyter_data_dir
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from jupyter_server.utils import ApiPath

from classroom.student.activity import KernelActivity

_LAUNCHER = "classroom.student.kernel"


class StudentKernelManager(AsyncMappingKernelManager):
    """Upstream's manager with a correct `execution_state` and `last_activity`; its culler and the hub read both."""

    async def _async_start_kernel(self, *, path: str | None = None, **kwargs: Any) -> str:  # noqa: ANN401
        """Start a kernel in the folder of its notebook, or in the home: not in the server's working directory."""
        return await super()._async_start_kernel(path=ApiPath(path or ""), **kwargs)

    start_kernel = _async_start_kernel  # type: ignore[assignment]

    def start_watching_activity(self, kernel_id: str) -> None:
        """Let upstream open its IOPub stream, then handle the messages here."""
        super().start_watching_activity(kernel_id)  # type: ignore[no-untyped-call]
        kernel: Any = self._kernels[kernel_id]
        activity = KernelActivity()
        session = Session(config=kernel.session.config, key=kernel.session.key)
        kernel._activity_stream.on_recv(partial(self._record, kernel, activity, session))  # noqa: SLF001
        self.add_restart_callback(kernel_id, partial(self._restarted, kernel, activity), "restart")

    def _restarted(self, kernel: Any, activity: KernelActivity) -> None:  # noqa: ANN401
        """Reset the state of a restarted kernel.

        Its first messages may come before our socket is connected again, so the state cannot depend on them.
        """
        activity.reset()
        kernel.execution_state = "idle"

    def _record(self, kernel: Any, activity: KernelActivity, session: Session, parts: list[bytes]) -> None:  # noqa: ANN401
        message = session.deserialize(session.feed_identities(parts)[1], content=False)
        kind = message["header"]["msg_type"]
        state = session.unpack(message["content"]).get("execution_state") if kind == "status" else None
        if activity.record(kind, message.get("parent_header"), state):
            self.last_kernel_activity = kernel.last_activity = datetime.now(UTC)
        if kind == "status" and (kernel.execution_state != "starting" or state != "starting"):
            kernel.execution_state = "busy" if activity.busy else "idle"


class StudentKernelSpecManager(KernelSpecManager):
    """Finder of the kernels of the image and of the home; either runs as the student."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the specification of a kernel; the image's Python starts by `classroom.student.kernel`."""
        spec: KernelSpec = super().get_kernel_spec(kernel_name)
        if kernel_name == NATIVE_KERNEL_NAME:
            # Isolated: not even the first import of the launcher is one of a file next to the notebook.
            spec.argv = [
                part
                for word in spec.argv
                for part in {"-m": ["-I", "-m"], "ipykernel_launcher": [_LAUNCHER]}.get(word, [word])
            ]
        return spec

    def _kernel_dirs_default(self) -> list[str]:
        # Upstream's "disable user config" takes the home out of Jupyter's search path, and these with it.
        home = str(Path(jupyter_data_dir()) / "kernels")
        return [*(path for path in super()._kernel_dirs_default() if path != home), home]
