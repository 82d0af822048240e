"use strict";
// The page is complete without this: it only finds, filters and orders the explained texts.
for (const texts of document.querySelectorAll(".texts")) {
  const lists = [...texts.querySelectorAll(".cards")];
  const cards = [...texts.querySelectorAll(".card")];
  const found = cards.map((card) => card.textContent.toLowerCase());
  const tools = texts.querySelector(".tools");
  const search = tools.querySelector("input");
  const right = tools.querySelector("[data-use=right]");
  const order = tools.querySelector("[data-use=order]");
  const more = texts.querySelector(".more");
  const show = () => {
    const wanted = search.value.trim().toLowerCase();
    let shown = 0;
    cards.forEach((card, i) => {
      card.hidden = !found[i].includes(wanted) || (right.value !== "" && card.dataset.right !== right.value);
      shown += card.hidden ? 0 : 1;
    });
    if (more && (wanted || right.value)) more.open = true;
    tools.querySelector("output").textContent = `${shown} of ${cards.length} texts`;
  };
  for (const control of [search, right]) control.addEventListener("input", show);
  order.addEventListener("input", () => {
    const ranked = [...cards];
    if (order.value) ranked.sort((a, b) => order.value * (a.dataset.sure - b.dataset.sure));
    const open = lists[0].childElementCount;
    ranked.forEach((card, i) => lists[i < open ? 0 : 1].append(card));
  });
  tools.hidden = false;
  show();
}
// What is folded is printed too.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details.numbers:not([open])")) {
    folded.open = true;
    folded.dataset.printed = "";
  }
});
addEventListener("afterprint", () => {
  for (const folded of document.querySelectorAll("details[data-printed]")) {
    folded.open = false;
    delete folded.dataset.printed;
  }
});
