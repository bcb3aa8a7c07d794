// Saves open files and shows a notice before the hub stops the server. It uses only commands of JupyterLab, so it needs no
// build.
"use strict";

(() => {
  const page = JSON.parse(document.getElementById("jupyter-config-data").textContent);
  const LATER = 60;

  const ask = async () => {
    const token = /(?:^|; )_xsrf=([^;]*)/.exec(document.cookie);
    const answer = await fetch(`${page.baseUrl}api/classroom/notice`, {
      cache: "no-store",
      headers: token ? { "X-XSRFToken": token[1] } : {},
    });
    return answer.ok ? answer.json() : { again: LATER };
  };

  const left = (seconds) => (seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`);

  const activate = (app) => {
    let shown = null;
    let reason = null;

    const tell = async (now) => {
      const message = `${now.reason} This server will be stopped in ${left(now.seconds)}. ` +
        "Open files are being saved. Data in memory will be lost.";
      if (now.reason !== reason || now.seconds < 2 * now.again) {
        // Not awaited: Lab may ask the student which of two versions to keep.
        app.commands.execute("docmanager:save-all").catch((error) => console.warn("Not saved:", error));
      }
      const known = shown !== null &&
        await app.commands.execute("apputils:update-notification",
          { id: shown, message, type: "warning", autoClose: false });
      if (!known) {
        shown = await app.commands.execute("apputils:notify",
          { message, type: "warning", options: { autoClose: false } });
      }
      reason = now.reason;
    };

    const withdraw = async () => {
      await app.commands.execute("apputils:update-notification", {
        id: shown,
        message: "This server will not be stopped.",
        type: "info",
        autoClose: 10000,
      });
      shown = reason = null;
    };

    const poll = async () => {
      let again = LATER;
      try {
        const now = await ask();
        again = now.again;
        if (now.reason) {
          await tell(now);
        } else if (reason) {
          await withdraw();
        }
      } catch (error) {
        console.debug("Cannot read notices:", error);
      }
      window.setTimeout(poll, 1000 * again);
    };
    app.restored.then(poll);
  };

  const plugin = { id: "@classroom/notice:plugin", autoStart: true, activate };
  // The form that a bundler would produce: https://jupyterlab.readthedocs.io/en/stable/extension/extension_dev.html
  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["@classroom/notice"] = {
    init() {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
