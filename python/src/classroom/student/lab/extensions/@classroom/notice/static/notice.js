// Saves what is open and says so before the hub stops the server. Plain: it uses Lab's commands only, and needs no build.
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
      const message = `${now.reason} This server is stopped in ${left(now.seconds)}. ` +
        "What is open is being saved; what is in memory is lost then.";
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
        message: "This server is not going to be stopped after all.",
        type: "info",
        autoClose: 10000,
      });
      shown = reason = null;
    };

    const look = async () => {
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
        console.debug("No word on notices:", error);
      }
      window.setTimeout(look, 1000 * again);
    };
    app.restored.then(look);
  };

  const plugin = { id: "@classroom/notice:plugin", autoStart: true, activate };
  // What a bundler would make of it: https://jupyterlab.readthedocs.io/en/stable/extension/extension_dev.html
  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["@classroom/notice"] = {
    init() {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
