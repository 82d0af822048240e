// Saving.
const save = (content, kind, name) => {
  const link = make("a", { href: URL.createObjectURL(new Blob([content], { type: kind })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
};
const cell = (text, number) => {
  let plain = text.replace(/[\u2066-\u2069]/g, "");
  if (number) plain = plain.replace(/−/g, "-").replace(/^–$/, "").replace(/\u00a0/g, " ").replace(/(\d),(?=\d{3})/g, "$1");
  // A spreadsheet would run it as a formula.
  else if (/^[=+\-@\t\r]/.test(plain)) plain = `'${plain}`;
  return /[",\n\r]/.test(plain) ? `"${plain.replace(/"/g, '""')}"` : plain;
};
// A column of `83.4 %`, `81.6 to 85.1` or `−0.2 (−0.9 to 0.5)` is one, two or three columns of numbers.
const NUMBERS = /^(?:(?<value>-?\d+(?:\.\d+)?)(?: %)?(?: \((?<a>-?[\d.]+) to (?<b>-?[\d.]+)\))?|(?<c>-?[\d.]+) to (?<d>-?[\d.]+))?$/;
const spread = (name, column) => {
  const isNumeric = column.some((td) => td.matches(".n"));
  const cells = column.map((td) => cell(td.textContent, isNumeric));
  const asTheyAre = { names: [cell(name)], cells: cells.map((text) => [text]) };
  const matches = cells.map((text) => text.match(NUMBERS));
  if (!isNumeric || !matches.every((match) => match)) return asTheyAre;
  const numbers = matches.map(({ groups }) => ({ value: groups.value, lower: groups.a ?? groups.c, upper: groups.b ?? groups.d }));
  const endings = Object.entries({ value: "", lower: " lower", upper: " upper" }).filter(([key]) => numbers.some((row) => row[key]));
  if (!endings.length) return asTheyAre;
  const title = name + (cells.some((text) => text.includes("%")) ? " (%)" : "");
  return { names: endings.map(([, ending]) => cell(title + ending)), cells: numbers.map((row) => endings.map(([key]) => row[key] ?? "")) };
};
const csv = (rows) => rows.map((row) => row.join(",")).join("\r\n") + "\r\n";
const fileName = (element, ending) => {
  const section = element.closest("section")?.id ?? "layerprobe";
  const all = [...document.querySelectorAll(`#${section} ${ending === "svg" ? "figure" : "table"}`)];
  return `${section}-${all.indexOf(element) + 1}.${ending}`;
};
for (const figure of document.querySelectorAll("figure")) {
  const button = make("button", { type: "button", className: "save", textContent: "Save as SVG" });
  button.addEventListener("click", () => {
    const svg = figure.querySelector("svg").cloneNode(true);
    const [, , width, height] = svg.getAttribute("viewBox").split(" ");
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    svg.setAttribute("font-family", "sans-serif");
    // The page's colours are variables, each with the colour it has on paper.
    const text = new XMLSerializer().serializeToString(svg).replace(/var\(--[\w-]+, ?([^()]*)\)/g, "$1");
    save(text, "image/svg+xml", fileName(figure, "svg"));
  });
  figure.querySelector("figcaption").append(" ", button);
}
for (const table of document.querySelectorAll("table")) {
  const button = make("button", { type: "button", className: "save", textContent: "Save as CSV" });
  button.addEventListener("click", () => {
    const [names, ...rows] = [...table.rows].map((row) => [...row.cells]);
    const columns = names.map((name, i) => spread(name.textContent || `column ${i + 1}`, rows.map((row) => row[i])));
    const heading = columns.flatMap((column) => column.names);
    save(csv([heading, ...rows.map((_, j) => columns.flatMap((column) => column.cells[j]))]), "text/csv", fileName(table, "csv"));
  });
  table.after(button);
}

