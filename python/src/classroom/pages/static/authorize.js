// "Select all", and as many buttons as make sense.
"use strict";

const all = document.getElementById("all");
if (all) {
  const boxes = [...document.querySelectorAll('input[type="checkbox"][form="several"]')];
  document.querySelector("[data-select-all]").hidden = false;
  all.addEventListener("change", () => boxes.forEach((box) => { box.checked = all.checked; }));
  boxes.forEach((box) => box.addEventListener("change", () => {
    all.checked = boxes.every((each) => each.checked);
    all.indeterminate = !all.checked && boxes.some((each) => each.checked);
  }));
}
