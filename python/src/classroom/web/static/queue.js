// Updates the position in the queue, and opens the server that the hub starts when it is the student's turn.
"use strict";

const queue = document.querySelector("[data-line]");
if (queue) {
  const text = queue.querySelector("[data-line-text]");
  const list = document.querySelector("[data-line-devices]");
  const notes = document.querySelector("[data-line-notes]");
  const element = (name, text) => {
    const made = document.createElement(name);
    made.textContent = text;
    return made;
  };
  const title = document.title;
  const ask = async () => {
    let again = 5;
    try {
      const answer = await fetch(queue.dataset.line, { cache: "no-store", redirect: "manual" });
      if (answer.ok) {
        const now = await answer.json();
        if (!now.waiting) {
          // The start page shows what happened: the server starts, or the entry was removed.
          window.location.assign(queue.dataset.start);
          return;
        }
        again = now.again;
        text.textContent = now.text;
        document.title = now.turn ? title : `#${now.place} in the queue - ${title}`;
        list.replaceChildren(...now.devices.map((device) => {
          const row = document.createElement("tr");
          row.append(...[device.name, device.use].map((cell) => element("td", cell)));
          return row;
        }));
        notes.replaceChildren(...now.notes.map((note) => element("li", note)));
      } else if (answer.status === 403 || answer.type === "opaqueredirect") {
        window.location.reload();
        return;
      }
    } catch {
      // The hub does not answer for a moment; the queue is in its database.
    }
    window.setTimeout(ask, 1000 * again);
  };
  window.setTimeout(ask, 1000);
}
