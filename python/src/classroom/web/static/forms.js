// Hints while the user types; the server decides. The forms work without this file too.
"use strict";

function mark(item, met) {
  item.classList.toggle("met", met === true);
  item.classList.toggle("unmet", met === false);
}

// Shows or hides a password.
for (const button of document.querySelectorAll("[data-shows]")) {
  const input = document.getElementById(button.dataset.shows);
  button.hidden = false;
  button.addEventListener("click", () => {
    const show = input.type === "password";
    input.type = show ? "text" : "password";
    button.setAttribute("aria-pressed", String(show));
    button.title = show ? "Hide password" : "Show password";
    button.querySelector("i").className = show ? "fa fa-eye-slash" : "fa fa-eye";
  });
}

// Marks the rules that are met.
const rules = document.getElementById("password-rules");
if (rules) {
  const password = document.getElementById("password");
  const username = document.getElementById("username");
  const check = () => {
    const text = password.value;
    const name = username.value.trim().toLowerCase();
    mark(rules.querySelector('[data-rule="1"]'), text ? [...text].length >= Number(rules.dataset.minimum) : null);
    mark(rules.querySelector('[data-rule="2"]'), text && name.length > 2 ? !text.toLowerCase().includes(name) : null);
  };
  password.addEventListener("input", check);
  username.addEventListener("input", check);
  check();
}

// Compares the two passwords once the second is as long as the first.
const same = document.querySelector("[data-same]");
if (same) {
  const [first, second] = same.dataset.same.split(" ").map((id) => document.getElementById(id));
  const compare = () => {
    const differ = second.value !== "" && first.value !== second.value;
    same.textContent = differ && second.value.length >= first.value.length ? "The two passwords are not the same yet." : "";
  };
  first.addEventListener("input", compare);
  second.addEventListener("input", compare);
}

// Ignores a second click.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => delete form.dataset.sent);
}
