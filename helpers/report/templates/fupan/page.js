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

/* The contents follow the reading: the last heading above the upper third of the screen is the current one. */
const links = new Map([...contents.querySelectorAll("a")].map((link) => [document.getElementById(link.hash.slice(1)), link]));
const headings = [...links.keys()];
let current = null;
const follow = () => {
  const passed = headings.filter((heading) => heading.getBoundingClientRect().top < window.innerHeight / 3);
  const link = links.get(passed.at(-1) ?? headings[0]);
  if (link === current) return;
  current?.removeAttribute("aria-current");
  link.setAttribute("aria-current", "location");
  current = link;
  const nav = contents.parentElement;
  if (wide.matches) nav.scrollTop = link.offsetTop - nav.clientHeight / 2;
};
let asked = false;
window.addEventListener("scroll", () => {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; follow(); });
}, { passive: true });
follow();

/* Tables: sorted by a head; long ones searched; on a phone a row is a card, and a long table begins with its first rows. */
const LONG = 12;
const FIRST = 6;
const button = (words, name) => {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = words;
  if (name) made.className = name;
  return made;
};
const phone = window.matchMedia("(max-width: 40em)");
const tooWide = (box, table) => phone.matches && table.offsetWidth > box.clientWidth;
const asCards = (table, heads) => {
  const names = heads.map((head) => head.textContent);
  for (const row of table.tBodies[0].rows) {
    for (const cell of row.cells) {
      cell.dataset.label = names[cell.cellIndex] ?? "";
      if (cell.textContent === "—") cell.dataset.empty = "";
    }
  }
  table.classList.add("fp-cards");
};
/* All widths are asked before anything is changed: else each table would have the whole page laid out anew. */
const boxes = [...document.querySelectorAll(".fp-table .fp-scroll")].map((box) => [box, box.querySelector("table")]);
const wider = new Set(boxes.filter(([box, table]) => tooWide(box, table)).map(([box]) => box));
for (const [box, table] of boxes) {
  const rows = [...table.tBodies[0].rows];
  const heads = [...table.tHead.rows[0].cells];
  if (rows.length < 2) continue;
  for (const head of heads) {
    const sort = button("", "fp-sort");
    sort.append(...head.childNodes);
    sort.addEventListener("click", () => sortBy(head));
    head.append(sort);
  }
  if (wider.has(box)) asCards(table, heads);
  table.closest("details")?.addEventListener("toggle", () => { if (tooWide(box, table)) asCards(table, heads); });
  let more = null;
  if (rows.length > LONG) {
    const search = document.createElement("input");
    search.type = "search";
    search.className = "fp-search";
    search.placeholder = say(`在 ${rows.length} 行中查找`, `Search ${rows.length} rows`);
    search.setAttribute("aria-label", search.placeholder);
    search.addEventListener("input", () => { table.classList.remove("fp-first"); more?.remove(); keepOnly(table, (row) => holds(row, search.value)); });
    box.before(search);
  }
  if (phone.matches && rows.length > FIRST + 2) {
    more = button(say(`显示全部 ${rows.length} 行`, `Show all ${rows.length} rows`), "fp-all");
    more.addEventListener("click", () => { table.classList.remove("fp-first"); more.remove(); });
    table.classList.add("fp-first");
    box.after(more);
  }
}

/* Each section has an address that can be passed on; each table can be taken along, as it is sorted and searched, into a spreadsheet. */
for (const heading of document.querySelectorAll(".part > h2, .part [id^=p0]:is(h3, h4)")) {
  const here = document.createElement("a");
  here.className = "fp-here";
  here.href = `#${heading.id || heading.parentElement.id}`;
  here.textContent = "#";
  here.setAttribute("aria-label", say("本节的链接：", "Link to this section: ") + heading.textContent);
  heading.append(here);
}
for (const figure of document.querySelectorAll(".fp-table")) {
  const table = figure.querySelector("table");
  const copy = button(say("复制", "Copy"), "fp-copy");
  copy.setAttribute("aria-label", say("复制表格：", "Copy the table: ") + table.parentElement.getAttribute("aria-label"));
  copy.addEventListener("click", () => {
    const marked = getSelection();
    marked.selectAllChildren(table);
    copy.textContent = document.execCommand("copy") ? say("已复制", "Copied") : say("没有复制成", "Not copied");
    marked.removeAllRanges();
  });
  (figure.querySelector("figcaption") ?? figure).append(copy);
}

/* A figure fills the screen on a click, and its own place again on the next. */
const large = document.createElement("dialog");
large.className = "fp-large";
const close = button(say("关闭", "Close"), "fp-close");
close.addEventListener("click", () => large.close());
large.append(close);
document.body.append(large);
for (const figure of document.querySelectorAll(".fp-figure")) {
  const picture = figure.querySelector("svg, img");
  const caption = figure.querySelector("figcaption");
  const title = caption?.textContent ?? picture.getAttribute("alt");
  const enlarge = button(say("放大", "Enlarge"), "fp-enlarge");
  enlarge.setAttribute("aria-label", say("放大：", "Enlarge: ") + title);
  const open = () => {
    large.setAttribute("aria-label", title);
    large.append(picture);
    large.showModal();
    large.addEventListener("close", () => figure.append(picture), { once: true });
  };
  enlarge.addEventListener("click", open);
  picture.addEventListener("click", () => (large.open ? large.close() : open()));
  (caption ?? figure).append(enlarge);
}
window.addEventListener("beforeprint", () => {
  if (large.open) large.close();
  for (const one of document.querySelectorAll("details")) one.open = true;
  for (const one of document.querySelectorAll("tr[hidden]")) one.hidden = false;
});
