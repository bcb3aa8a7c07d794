// Upstream's script only turns the bar red when a start fails; this says it in words.
"use strict";

const bar = document.getElementById("progress-bar");
new MutationObserver(() => {
  if (!bar.classList.contains("bg-danger")) return;
  document.querySelectorAll("[data-while]").forEach((part) => { part.hidden = part.dataset.while !== "failed"; });
  document.getElementById("stop-server-btn").hidden = true;
}).observe(bar, { attributes: true, attributeFilter: ["class"] });
