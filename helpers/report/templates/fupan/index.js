const table = document.querySelector("table.sortable");
if (table) {
  for (const button of table.tHead.querySelectorAll("button")) button.addEventListener("click", () => sortBy(button.parentElement));
  const words = document.getElementById("words");
  const state = document.getElementById("state");
  const count = document.getElementById("count");
  const filter = () => {
    const left = keepOnly(table, (row) => holds(row, words.value) && (!state.value || row.dataset.state.split(" ").includes(state.value)));
    count.textContent = say(`${left} 场`, left === 1 ? "1 session" : `${left} sessions`);
  };
  words.addEventListener("input", filter);
  state.addEventListener("change", filter);
  document.querySelector(".filter").hidden = false;
  filter();
}
