"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const text = (tag, content, className) => {
    const element = document.createElement(tag);
    element.textContent = content;
    if (className) element.className = className;
    return element;
  };

  // Copy buttons.
  for (const button of document.querySelectorAll("button.copy")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", () => {
      navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent)
        .then(() => { button.textContent = "copied"; }, () => { button.textContent = "select it"; });
    });
  }

  // What is folded shows on paper.
  const folded = [];
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details:not([open])")) { details.open = true; folded.push(details); }
  });
  addEventListener("afterprint", () => { for (const details of folded.splice(0)) details.open = false; });

  // A link to something that is folded away opens it.
  const reveal = () => {
    const target = location.hash.length > 1 && $(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  };
  addEventListener("hashchange", reveal);
  reveal();

  // The ledger: columns of short numbers become rows.
  const source = $("ledger-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const numbers = (column) => {
    let at = 0;
    return () => {
      const c = column[at++];
      if (c === "_") return null;
      if (c !== "+" && c !== "-") return parseInt(c, 36);
      const end = column.indexOf("|", at);
      const value = parseInt(column.slice(at, end), 36);
      at = end + 1;
      return c === "-" ? -value : value;
    };
  };
  const next = {};
  for (const name of ["client", "sequence", "key", "operation", "acknowledged", "winner_client", "winner_sequence", "stamp_lead", "real_lead"])
    next[name] = numbers(data[name]);
  const rows = [];
  const before = new Map();
  let time = 0;
  for (let n = 0; n < data.rows; n++) {
    const client = next.client();
    const sequence = (before.get(client) || 0) + next.sequence();
    before.set(client, sequence);
    time += next.acknowledged();
    const fate = parseInt(data.fate[n], 36);
    const row = {
      write: "c" + client + "." + sequence, order: client * 1e8 + sequence,
      record: data.keys[next.key()], asked: data.operations[next.operation()], leader: data.leader[n],
      acknowledged: time, fate: data.fates[fate], lost: data.losses[fate], recorded: data.recorded[n] === "r",
      winner: "", stamp: null, real: null,
    };
    if (data.winner_leader[n] !== "-") {
      row.winner = "c" + next.winner_client() + "." + (sequence + next.winner_sequence()) + " of " + data.winner_leader[n];
      row.stamp = next.stamp_lead();
      row.real = next.real_lead();
    }
    rows.push(row);
  }

  const columns = [
    ["write", (row) => row.order], ["record", (row) => row.record], ["asked", (row) => row.asked],
    ["leader", (row) => row.leader], ["acknowledged", (row) => row.acknowledged], ["fate", (row) => row.fate],
    ["lost to", (row) => row.winner], ["its stamp", (row) => row.stamp], ["it was written", (row) => row.real],
  ];
  const lead = (ms) => ms === null ? "" : Math.abs(ms).toLocaleString("en") + " ms " + (ms < 0 ? "earlier" : "later");
  const search = $("ledger-search"), fate = $("ledger-fate"), leader = $("ledger-leader");
  const table = $("ledger-table").querySelector("table"), body = table.querySelector("tbody"), more = $("ledger-more");
  const heads = [...table.querySelectorAll("thead th")];
  let sorted = null, ascending = true, shown = 100;

  const matches = () => {
    const words = search.value.trim().toLowerCase();
    let found = rows.filter((row) =>
      (!fate.value || (fate.value === "lost" ? row.lost : row.fate === fate.value)) &&
      (!leader.value || row.leader === leader.value) &&
      (!words || [row.write, row.record, row.asked, row.leader, row.winner].some((cell) => cell.toLowerCase().includes(words))));
    if (sorted === null) return found.filter((row) => row.lost).concat(found.filter((row) => !row.lost));
    const value = columns[sorted][1], sign = ascending ? 1 : -1;
    return found.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (typeof x === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true }));
    });
  };
  const line = (row) => {
    const tr = document.createElement("tr");
    const head = text("th", row.write);
    head.scope = "row";
    const number = (content) => { const td = document.createElement("td"); td.append(text("span", content, "number")); return td; };
    const sign = text("span", (row.lost ? "\u2717 " : "\u2713 ") + row.fate, "sign " + (row.lost ? "fail" : "pass"));
    const cell = document.createElement("td");
    cell.append(sign);
    if (row.recorded) cell.append(" ", text("small", "recorded"));
    tr.append(head, text("td", row.record), text("td", row.asked), text("td", row.leader),
      number((row.acknowledged / 1000).toFixed(3) + " s"), cell, text("td", row.winner), number(lead(row.stamp)), number(lead(row.real)));
    return tr;
  };
  const draw = () => {
    const found = matches();
    body.replaceChildren(...found.slice(0, shown).map(line));
    $("ledger-count").textContent = found.length.toLocaleString("en") + " of " + rows.length.toLocaleString("en") + " writes";
    more.hidden = found.length <= shown;
  };
  const again = () => { shown = 100; draw(); };
  heads.forEach((head, at) => {
    const button = text("button", head.textContent);
    button.type = "button";
    button.addEventListener("click", () => {
      ascending = sorted === at ? !ascending : true;
      sorted = at;
      for (const other of heads) other.firstChild.removeAttribute("aria-sort");
      button.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      again();
    });
    head.replaceChildren(button);
  });
  search.addEventListener("input", again);
  fate.addEventListener("change", again);
  leader.addEventListener("change", again);
  more.addEventListener("click", () => { shown += 400; draw(); });
  $("ledger-controls").addEventListener("submit", (event) => event.preventDefault());
  $("ledger-controls").hidden = false;
  draw();
})();
