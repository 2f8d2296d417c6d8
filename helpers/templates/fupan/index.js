"use strict";
document.querySelectorAll("table.sortable thead button").forEach((button, place) => {
  button.addEventListener("click", () => {
    const head = button.parentElement;
    const body = head.closest("table").tBodies[0];
    const down = head.getAttribute("aria-sort") !== "descending";
    const key = (row) => row.cells[place].dataset.key;
    const number = head.classList.contains("fp-num") || place === 5;
    const rows = [...body.rows].sort((a, b) => number ? key(a) - key(b) : key(a).localeCompare(key(b), document.documentElement.lang));
    body.append(...(down ? rows.reverse() : rows));
    head.parentElement.querySelectorAll("th").forEach((one) => one.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  });
});
