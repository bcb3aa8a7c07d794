// Shows the text for a failed start; upstream's script only makes the bar red.
"use strict";

const bar = document.getElementById("progress-bar");
new MutationObserver(() => {
  if (!bar.classList.contains("bg-danger")) return;
  document.querySelectorAll("[data-while]").forEach((part) => { part.hidden = part.dataset.while !== "failed"; });
  document.getElementById("stop-server-btn").hidden = true;
}).observe(bar, { attributes: true, attributeFilter: ["class"] });
