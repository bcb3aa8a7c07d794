// Keeps the place in line up to date, and goes to the server that the hub starts when it is the student's turn.
"use strict";

const line = document.querySelector("[data-line]");
if (line) {
  const text = line.querySelector("[data-line-text]");
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
      const answer = await fetch(line.dataset.line, { cache: "no-store", redirect: "manual" });
      if (answer.ok) {
        const now = await answer.json();
        if (!now.waiting) {
          // Its own page tells the rest: the server starts, or why the place is lost.
          window.location.assign(line.dataset.start);
          return;
        }
        again = now.again;
        text.textContent = now.text;
        document.title = now.turn ? title : `${now.place}. in line - ${title}`;
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
      // The hub is away for a moment; the place is kept.
    }
    window.setTimeout(ask, 1000 * again);
  };
  window.setTimeout(ask, 1000);
}
