// Polls the page until the sign-up is approved or removed; the answer is then a redirect or another state.
"use strict";

const note = document.querySelector("[data-reload]");
if (note) {
  const poll = async () => {
    try {
      const answer = await fetch(window.location.href, { redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect" || (answer.ok && !(await answer.text()).includes("data-reload"))) {
        window.location.reload();
        return;
      }
    } catch {
      // The hub does not answer for a moment.
    }
    window.setTimeout(poll, 1000 * Number(note.dataset.reload));
  };
  window.setTimeout(poll, 1000 * Number(note.dataset.reload));
}
