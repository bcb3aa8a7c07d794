// Updates the progress of the image while it loads. On the start page, the server then starts by itself.
"use strict";

const preparing = document.querySelector("[data-preparing]");
if (preparing) {
  const PAUSE = 2000;
  const ask = async () => {
    try {
      const answer = await fetch(preparing.dataset.preparing, { cache: "no-store", redirect: "manual" });
      if (answer.ok) {
        const now = await answer.json();
        if (!now.preparing) {
          if (preparing.dataset.start) window.location.assign(preparing.dataset.start);
          else preparing.textContent = "The class is ready.";
          return;
        }
        preparing.querySelector("[data-preparing-text]").textContent = now.text;
        const bar = preparing.querySelector("progress");
        if (bar) bar.value = now.percent;
      } else if (answer.status === 403 || answer.type === "opaqueredirect") {
        window.location.reload();
        return;
      }
    } catch {
      // The hub does not answer for a moment.
    }
    window.setTimeout(ask, PAUSE);
  };
  window.setTimeout(ask, PAUSE);
}
