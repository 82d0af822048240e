// What is searched is marked in the texts, over several words too.
const unmark = (text) => {
  for (const mark of text.querySelectorAll("mark")) {
    const parent = mark.parentNode;
    mark.replaceWith(...mark.childNodes);
    parent.normalize();
  }
};
const markHits = (text, sought, isWhole) => {
  unmark(text);
  const content = text.textContent.toLowerCase();
  // A letter whose lower case is longer would move what follows it.
  if (!sought || content.length !== text.textContent.length) return;
  const ranges = [];
  for (let at = content.indexOf(sought); at >= 0; at = content.indexOf(sought, at + sought.length)) ranges.push([at, at + sought.length]);
  const nodes = [], walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  for (let position = 0; walker.nextNode(); position += walker.currentNode.length) nodes.push([walker.currentNode, position]);
  for (const [node, position] of nodes) {
    const end = position + node.length;
    if (isWhole && (node.parentNode === text || node.data.toLowerCase() !== sought)) continue;
    for (const [from, to] of ranges.filter(([from, to]) => from < end && to > position).reverse()) {
      const hit = node.splitText(Math.max(0, from - position));
      hit.splitText(Math.min(to, end) - Math.max(from, position));
      const mark = make("mark");
      hit.replaceWith(mark);
      mark.append(hit);
    }
  }
};
