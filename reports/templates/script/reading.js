// Reading: the contents follow the scroll, a term's definition opens beside it, and what a link leads to is unfolded.
// A region is a stop of the Tab key only while there is something to scroll.
const sizes = new ResizeObserver((entries) => {
  for (const region of new Set(entries.map((entry) => entry.target.closest(".scroll")))) {
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
    else region.removeAttribute("tabindex");
  }
});
for (const region of document.querySelectorAll(".scroll")) {
  region.removeAttribute("tabindex");
  for (const element of [region, ...region.children]) sizes.observe(element);
}

// Headings that the page gives no link get one.
const UNNAMED = 60;
for (const heading of document.querySelectorAll("main :is(h2, h3, h4):not(.name)")) {
  if (heading.querySelector(".anchor")) continue;
  const section = heading.matches("h2") && heading.closest("[id]:not(#main)");
  if (!section && !heading.id) {
    const words = heading.textContent.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, UNNAMED);
    const name = `${heading.closest("section[id]")?.id ?? "part"}-${words}`;
    let id = name;
    for (let i = 2; document.getElementById(id); i++) id = `${name}-${i}`;
    heading.id = id;
  }
  heading.append(make("a", { className: "anchor", href: `#${(section || heading).id}`, ariaHidden: "true", tabIndex: -1 }));
}

// What a link leads to may be folded.
const linked = () => {
  try {
    return document.getElementById(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return null; // no name of an element is written so
  }
};
const unfold = () => {
  const target = linked();
  if (!target) return;
  const folds = [];
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) folds.push(fold);
  const inner = target.matches("section") ? target.querySelector(":scope > details.back") : null;
  if (inner) folds.push(inner);
  if (!folds.some((fold) => !fold.open)) return;
  for (const fold of folds) fold.open = true;
  target.scrollIntoView();
};
addEventListener("hashchange", unfold);

// The section at the top of the window is marked in the contents.
const contents = document.querySelector(".contents");
if (contents) {
  const links = new Map([...contents.querySelectorAll("a[href^='#']")].map((link) => [document.getElementById(link.hash.slice(1)), link]));
  links.delete(null);
  const sections = [...links.keys()];
  // Positions are read when they are needed: what an observer reported may be out of date once something is unfolded.
  const isAtTop = (section) => {
    const { top, bottom } = section.getBoundingClientRect();
    return top < innerHeight / 4 && bottom > 0;
  };
  let current = null;
  const mark = () => {
    const isAtEnd = scrollY > 0 && innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
    const inView = sections.filter((section) => section.getBoundingClientRect().top < innerHeight);
    const target = inView.find((section) => `#${section.id}` === location.hash);
    const top = sections.findLast(isAtTop);
    const section = isAtEnd ? target ?? inView.at(-1) : top ?? current ?? sections[0];
    if (!section || section === current) return;
    links.get(current)?.removeAttribute("aria-current");
    current = section;
    const link = links.get(section), list = link.closest("ol");
    link.setAttribute("aria-current", "true");
    // Only the list scrolls: down on a desktop, to the side on a phone.
    list.scrollLeft = link.offsetLeft - list.offsetLeft - 16;
    if (contents.scrollHeight > contents.clientHeight) contents.scrollTop = link.offsetTop - contents.clientHeight / 2;
  };
  const observer = new IntersectionObserver(mark, { rootMargin: "0px 0px -75% 0px" });
  for (const section of sections) observer.observe(section);
  new ResizeObserver(mark).observe(document.querySelector("main"));
  addEventListener("scrollend", mark);
  addEventListener("hashchange", () => requestAnimationFrame(mark));
}

// The definition of a term opens beside it; its entry in the glossary is a link in it.
const definition = make("span", { className: "definition", role: "status", hidden: true });
let definedTerm = null;
const closeDefinition = () => {
  if (!definedTerm) return;
  if (definition.contains(document.activeElement)) definedTerm.focus();
  definedTerm.setAttribute("aria-expanded", "false");
  definition.hidden = true;
  definedTerm = null;
};
const openDefinition = (term) => {
  const entry = document.getElementById(term.hash.slice(1));
  if (!entry) return;
  definedTerm = term;
  term.setAttribute("aria-expanded", "true");
  term.after(definition);
  definition.hidden = false;
  const meaning = [...entry.querySelector("dd").childNodes].map((node) => node.cloneNode(true));
  definition.replaceChildren(make("b", { textContent: entry.querySelector("dt").textContent }), ": ", ...meaning, " ", make("a", { href: term.hash, textContent: "Glossary" }));
  const [line] = term.getClientRects(), origin = (definition.offsetParent ?? document.body).getBoundingClientRect();
  const width = document.documentElement.clientWidth, { offsetWidth, offsetHeight } = definition;
  const isBelow = line.bottom + 6 + offsetHeight < innerHeight || line.top - 6 - offsetHeight < 0;
  definition.style.left = `${Math.max(8, Math.min(line.left, width - offsetWidth - 8)) - origin.left}px`;
  definition.style.top = `${(isBelow ? line.bottom + 6 : line.top - 6 - offsetHeight) - origin.top}px`;
};
for (const term of document.querySelectorAll("a.term")) {
  term.setAttribute("role", "button");
  term.setAttribute("aria-expanded", "false");
}
// What leads to the same place is one stop of the Tab key: a section in the contents, a term where it comes first.
const places = new Set();
for (const link of document.querySelectorAll(".page a[href^='#']")) {
  if (link.tabIndex < 0 || link.closest("details") || !link.getClientRects().length) continue;
  if (places.has(link.hash)) link.tabIndex = -1;
  places.add(link.hash);
}
addEventListener("click", (event) => {
  const term = event.target.closest?.("a.term");
  const isAgain = term && term === definedTerm;
  if (!term && definition.contains(event.target) && !event.target.closest("a")) return;
  closeDefinition();
  if (!term) return;
  event.preventDefault();
  if (!isAgain) openDefinition(term);
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeDefinition();
  if (event.key !== " " || !event.target.matches?.("a.term")) return;
  event.preventDefault();
  event.target.click();
});
addEventListener("focusin", (event) => {
  if (definedTerm && event.target !== definedTerm && !definition.contains(event.target)) closeDefinition();
});
unfold();
