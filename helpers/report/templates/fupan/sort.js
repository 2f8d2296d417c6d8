const lang = document.documentElement.lang;
const zh = lang.startsWith("zh");
const say = (chinese, english) => (zh ? chinese : english);
/* A cell as it sorts: its own key, else the first number in its words with its unit, else the words. */
const sizes = { "万": 1e4, "亿": 1e8, "M": 1e6, "B": 1e9 };
const seconds = { "小时": 3600, "分": 60, "秒": 1, "h": 3600, "m": 60, "s": 1 };
const sortKey = (cell) => {
  const words = cell.dataset.key ?? cell.textContent.trim();
  if (cell.dataset.key === undefined && /^[-−]?\d+(小时|分|秒|[hms](?![a-z]))/.test(words)) {
    const parts = [...words.matchAll(/(\d+)(小时|分|秒|[hms])/g)];
    return parts.reduce((sum, part) => sum + part[1] * seconds[part[2]], 0) * (/^[-−]/.test(words) ? -1 : 1);
  }
  const found = words.replace(/,/g, "").match(/^[<+]?([-−]?)[^\d\s.–−-]{0,4}(\d+(?:\.\d+)?)(?![-\d:])(?: ?(万|亿|[MB](?!\w)))?/);
  return found ? Number((found[1] && "-") + found[2]) * (sizes[found[3]] ?? 1) : words;
};
const before = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : typeof a === typeof b ? a.localeCompare(b, lang) : typeof a === "number" ? 1 : -1);
const sortBy = (head) => {
  const table = head.closest("table");
  const place = head.cellIndex;
  const down = head.getAttribute("aria-sort") !== "descending";
  const rows = [...table.tBodies[0].rows].map((row) => [sortKey(row.cells[place]), row]);
  rows.sort((a, b) => before(a[0], b[0]));
  table.tBodies[0].append(...(down ? rows.reverse() : rows).map((pair) => pair[1]));
  for (const one of table.tHead.rows[0].cells) one.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
};
const keepOnly = (table, fits) => {
  let left = 0;
  for (const row of table.tBodies[0].rows) {
    row.hidden = !fits(row);
    left += !row.hidden;
  }
  return left;
};
const holds = (row, words) => words.toLowerCase().split(/\s+/).every((word) => row.textContent.toLowerCase().includes(word));
