// Saves open files and shows a notice before the hub stops the server, says why a server has ended, and says so when a
// message is too large for a kernel. It uses only commands of JupyterLab and of the browser, so it needs no build.
"use strict";

(() => {
  const page = JSON.parse(document.getElementById("jupyter-config-data").textContent);
  const LATER = 60;

  let ticket = "";

  const request = (seconds) => {
    const token = /(?:^|; )_xsrf=([^;]*)/.exec(document.cookie);
    return fetch(`${page.baseUrl}api/classroom/notice`, {
      cache: "no-store",
      // The address of a container that has just ended may swallow requests.
      signal: AbortSignal.timeout(1000 * seconds),
      headers: { ...(token && { "X-XSRFToken": token[1] }), ...(ticket && { "X-Classroom-Ticket": ticket }) },
    });
  };

  const ask = async () => {
    const answer = await request(30);
    if (!answer.ok) return { again: LATER };
    const now = await answer.json();
    ticket = now.ticket || ticket;
    return now;
  };

  const pause = (seconds) => new Promise((resolve) => window.setTimeout(resolve, 1000 * seconds));

  // Returns a dialog; what the student has typed stays in the page below it.
  const makeDialog = (app) => {
    const dialog = document.createElement("dialog");
    dialog.className = "classroom-ended";
    dialog.style.cssText = "max-width: 30rem; padding: 1.5rem; border: 1px solid var(--jp-border-color1); " +
      "border-radius: .5rem; background: var(--jp-layout-color1); color: var(--jp-ui-font-color1); " +
      "font: 1rem/1.5 var(--jp-ui-font-family);";
    const add = (name, text) => dialog.appendChild(Object.assign(document.createElement(name), { textContent: text }));
    add("h2", "Your server is not running");
    const reason = add("p", "");
    add("p", "Saved files are kept. Changes that are not saved are still in this page: start the server, then save them.");
    const start = add("button", "Start my server");
    const close = add("button", "Close");
    start.className = "jp-Dialog-button jp-mod-accept jp-mod-styled";
    close.className = "jp-Dialog-button jp-mod-reject jp-mod-styled";
    close.addEventListener("click", () => dialog.close());
    let address = "";
    start.addEventListener("click", () => {
      const url = `${address}?next=${encodeURIComponent(window.location.pathname)}`;
      if (app.status.isDirty) {
        window.open(url, "_blank");
      } else {
        window.location.assign(url);
      }
    });
    return (now) => {
      if (!now) {
        dialog.remove();
      } else if (!dialog.isConnected) {
        reason.textContent = now.ended || "Your server has stopped.";
        address = now.start;
        document.body.append(dialog);
        dialog.showModal();
      }
    };
  };

  // A connection of its own, because it ends with the server at once. JupyterLab asks every ten seconds or more.
  const watch = (app) => {
    const show = makeDialog(app);
    const connect = () => {
      const url = new URL(`${page.baseUrl}api/events/subscribe`, window.location.href);
      url.protocol = url.protocol.replace("http", "ws");
      new WebSocket(url).addEventListener("close", lost);
    };
    const lost = async () => {
      for (let tries = 0; ; tries += 1) {
        try {
          const answer = await request(tries < 5 ? 0.5 : 10);
          if (answer.ok) {
            show(null);
            window.setTimeout(connect, 1000);
            return;
          }
          const now = await answer.json();
          if (now.start) show(now);
        } catch (error) {
          console.debug("The server does not answer:", error);
        }
        // Random, so that a class does not ask all at once.
        await pause((tries < 5 ? 0.25 : 2) * (1 + Math.random()));
      }
    };
    connect();
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

    // What was corrected in the home when the server started: once in each tab.
    const tellRepairs = async (sentences) => {
      const known = "classroom-home-repairs";
      const text = sentences.join(" ");
      if (!text || window.sessionStorage.getItem(known) === text) return;
      window.sessionStorage.setItem(known, text);
      for (const message of sentences.slice(0, 5)) {
        await app.commands.execute("apputils:notify", { message, type: "warning", options: { autoClose: false } });
      }
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
        await tellRepairs(now.home || []);
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
    app.restored.then(() => watch(app));
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
