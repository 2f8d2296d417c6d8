"use strict";
const root = document.documentElement;
const code = document.getElementById("code");
code.addEventListener("click", () => {
  const shown = root.classList.toggle("with-code");
  code.setAttribute("aria-pressed", String(shown));
  code.textContent = shown ? code.dataset.hide : code.dataset.show;
});
const contents = document.getElementById("contents");
const wide = window.matchMedia("(min-width: 68em)");
const unfold = () => { contents.open = wide.matches; };
unfold();
wide.addEventListener("change", unfold);
contents.addEventListener("click", (event) => {
  if (event.target.closest("a") && !wide.matches) contents.open = false;
});
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
});
