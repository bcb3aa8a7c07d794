// Asks now and then whether the request is decided; the answer is then not this page but a redirect or another state.
"use strict";

const note = document.querySelector("[data-reload]");
if (note) {
  const ask = async () => {
    try {
      const answer = await fetch(window.location.href, { redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect" || (answer.ok && !(await answer.text()).includes("data-reload"))) {
        window.location.reload();
        return;
      }
    } catch {
      // The hub is away for a moment.
    }
    window.setTimeout(ask, 1000 * Number(note.dataset.reload));
  };
  window.setTimeout(ask, 1000 * Number(note.dataset.reload));
}
