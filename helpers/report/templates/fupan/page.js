const root = document.documentElement;
const code = document.getElementById("code");
code.addEventListener("click", () => {
  const shown = root.classList.toggle("with-code");
  code.setAttribute("aria-pressed", String(shown));
  code.textContent = shown ? code.dataset.hide : code.dataset.show;
  if (shown) for (const chapter of document.querySelectorAll(".chapter")) chapter.open = true;
});
const contents = document.getElementById("contents");
const wide = window.matchMedia("(min-width: 68em)");
const unfold = () => { contents.open = wide.matches; };
unfold();
wide.addEventListener("change", unfold);
contents.addEventListener("click", (event) => {
  if (event.target.closest("a") && !wide.matches) contents.open = false;
});

/* A link opens the chapter and the rows that fold its target away, and goes there: within the page, and from another one. */
const MARGIN = 8;
const rowsUnfolded = (target) => {
  target.closest("tr")?.removeAttribute("hidden");
  const tables = [target.closest("table")];
  if (/^H[3-6]$/.test(target.tagName)) {
    let next = (target.closest(".fp-text") ?? target).nextElementSibling;
    for (; next && !next.querySelector("h2, h3, h4"); next = next.nextElementSibling) tables.push(...next.querySelectorAll("table"));
  }
  for (const table of tables) table?.closest(".fp-table")?.querySelector(".fp-all")?.click();
};
const reveal = (hash) => {
  const target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
  if (!target) return;
  const inside = target.matches(".part") ? target.querySelector(".chapter") : null;
  for (let folded = inside ?? target.closest("details"); folded; folded = folded.parentElement.closest("details")) {
    if (folded.id !== "contents") folded.open = true;
  }
  rowsUnfolded(target);
  /* a table that becomes cards as it opens moves what is below it */
  requestAnimationFrame(() => requestAnimationFrame(() => {
    target.scrollIntoView({ behavior: "instant" });
    if (Math.abs(target.getBoundingClientRect().top) > window.innerHeight) setTimeout(() => target.scrollIntoView({ behavior: "instant" }), MARGIN);
  }));
};
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (link) reveal(link.hash);
});
window.addEventListener("hashchange", () => reveal(location.hash));

/* The contents follow the reading: the last heading above the upper third of the screen is the current one. */
const links = new Map([...contents.querySelectorAll("a")].map((link) => [document.getElementById(link.hash.slice(1)), link]));
const headings = [...links.keys()];
let current = null;
const follow = () => {
  const passed = headings.filter((heading) => heading.checkVisibility() && heading.getBoundingClientRect().top < window.innerHeight / 3);
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
  for (let folded = table.closest("details"); folded; folded = folded.parentElement.closest("details")) {
    folded.addEventListener("toggle", () => { if (tooWide(box, table)) asCards(table, heads); });
  }
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
for (const heading of document.querySelectorAll(".part, .part [id^=p0]:is(h3, h4)")) {
  const here = document.createElement("a");
  here.className = "fp-here";
  here.href = `#${heading.id}`;
  here.textContent = "#";
  here.setAttribute("aria-label", say("本节的链接：", "Link to this section: ") + (heading.querySelector("h2") ?? heading).textContent);
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
  for (const one of document.querySelectorAll("details:not([open])")) {
    one.open = true;
    one.dataset.printed = "";
  }
  for (const one of document.querySelectorAll("tr[hidden]")) one.hidden = false;
});
window.addEventListener("afterprint", () => {
  for (const one of document.querySelectorAll("details[data-printed]")) {
    one.open = false;
    delete one.dataset.printed;
  }
});
reveal(location.hash);
