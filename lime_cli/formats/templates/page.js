"use strict";
document.documentElement.classList.add("scripted");
for (const list of document.querySelectorAll("table.list")) {
  const body = list.tBodies[0], rows = [...body.rows];
  const box = document.getElementById("filter"), count = document.getElementById("count");
  const value = (row, i) => row.cells[i].dataset.value ?? row.cells[i].textContent.trim();
  list.querySelectorAll("thead th").forEach((head, i) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      list.querySelectorAll("thead th").forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const order = (a, b) => {
        const x = value(a, i), y = value(b, i), m = Number(x), n = Number(y);
        if (x === "" || y === "") return (x === "") - (y === "");
        const way = Number.isNaN(m) || Number.isNaN(n) ? x.localeCompare(y) : m - n;
        return up ? way : -way;
      };
      body.append(...[...body.rows].sort(order));
    });
  });
  const show = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${rows.length}`;
  };
  box.addEventListener("input", show);
  show();
}
const reveal = () => {
  const part = location.hash && document.getElementById(location.hash.slice(1));
  if (part) part.closest("details").open = true;
};
addEventListener("hashchange", reveal);
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const one of closed) one.open = true;
});
addEventListener("afterprint", () => { for (const one of closed) one.open = false; });
reveal();
