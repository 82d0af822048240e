// Numbers that are copied out of tables and sentences are plain too; explained texts and commands stay as they are.
addEventListener("copy", (event) => {
  const selection = getSelection();
  if (!selection.rangeCount || selection.isCollapsed) return;
  const range = selection.getRangeAt(0), node = range.commonAncestorContainer;
  const ancestor = node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement;
  const verbatim = ".texts, .cards, .text, input, textarea, pre";
  if (!document.querySelector("main").contains(ancestor) || ancestor.closest(verbatim) || ancestor.querySelector(verbatim)) return;
  const copied = make("div", {}, range.cloneContents());
  const leaves = document.createTreeWalker(copied, NodeFilter.SHOW_TEXT);
  while (leaves.nextNode()) leaves.currentNode.data = plainNumbers(leaves.currentNode.data);
  const rows = ancestor.matches("tr") ? `<tr>${copied.innerHTML}</tr>` : copied.innerHTML;
  event.clipboardData.setData("text/plain", plainNumbers(selection.toString()));
  event.clipboardData.setData("text/html", ancestor.closest("table") && !ancestor.closest("td, th, caption") ? `<table>${rows}</table>` : rows);
  event.preventDefault();
});
