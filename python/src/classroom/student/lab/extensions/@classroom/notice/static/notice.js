// Saves open files and shows a notice before the hub stops the server, and says so when a message is too large for a
// kernel. It uses only commands of JupyterLab, so it needs no build.
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

  const megabytes = (bytes) => `${Math.ceil(bytes / 1024 ** 2)} MB`;

  const sizeOf = (data, limit) => {
    if (typeof data !== "string") {
      return data.byteLength ?? data.size;
    }
    return 3 * data.length > limit ? new Blob([data]).size : data.length; // at most three bytes of UTF-8 for each
  };

  // The server would close the kernel's connection without a word, and the widget that sends would wait forever.
  const refuseLargeMessages = (app) => {
    const limit = page.classroomLargestMessage || Infinity;
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) {
      const size = sizeOf(data, limit);
      if (size <= limit) {
        return send.call(this, data);
      }
      const message = `This is too large for a notebook: ${megabytes(size)}. A widget can send ${megabytes(limit)} at ` +
        "once. Nothing was sent. Upload the file in the file browser, and open it by its name.";
      return app.commands.execute("apputils:notify", { message, type: "error", options: { autoClose: false } });
    };
  };

  const plugins = [
    { id: "@classroom/notice:plugin", autoStart: true, activate },
    { id: "@classroom/notice:messages", autoStart: true, activate: refuseLargeMessages },
  ];
  // The form that a bundler would produce: https://jupyterlab.readthedocs.io/en/stable/extension/extension_dev.html
  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["@classroom/notice"] = {
    init() {},
    get: async () => () => ({ __esModule: true, default: plugins }),
  };
})();
