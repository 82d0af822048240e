// What the explorer shows, as the end of the address: `#explained?find=good&layer=2` is a link to it.
const AT_REST = 250;
const viewInAddress = (anchor) => {
  const at = location.hash.indexOf("?");
  return at > 0 && location.hash.slice(1, at) === anchor ? new URLSearchParams(location.hash.slice(at + 1)) : null;
};
let writing = 0;
const writeView = (anchor, view) => {
  clearTimeout(writing);
  // Browsers allow few changes of the address in a short time.
  writing = setTimeout(() => {
    const query = view.toString(), address = `#${anchor}${query && "?"}${query}`;
    if (location.hash === address || (!query && !viewInAddress(anchor))) return;
    try {
      history.replaceState(null, "", address);
    } catch {
      // In a frame without an address of its own there is nothing to link to.
    }
  }, AT_REST);
};
