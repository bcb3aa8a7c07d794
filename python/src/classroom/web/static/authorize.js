// Selects all names, and filters the list of accounts.
"use strict";

const all = document.getElementById("all");
if (all) {
  const boxes = [...document.querySelectorAll('input[type="checkbox"][form="several"]')];
  document.querySelector("[data-select-all]").hidden = false;
  all.addEventListener("change", () => boxes.forEach((box) => { box.checked = all.checked; }));
  boxes.forEach((box) => box.addEventListener("change", () => {
    all.checked = boxes.every((box) => box.checked);
    all.indeterminate = !all.checked && boxes.some((box) => box.checked);
  }));
}

const find = document.querySelector("[data-find]");
const rows = [...document.querySelectorAll(`#${find.dataset.find} > li`)];
find.hidden = rows.length < 10;
find.addEventListener("input", () => {
  const text = find.value.trim().toLowerCase();
  rows.forEach((row) => { row.hidden = !row.querySelector(".who").textContent.toLowerCase().includes(text); });
});
