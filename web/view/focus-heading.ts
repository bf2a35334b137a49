// After a change of page the keyboard and the screen reader begin at its heading.

/** A page whose heading has not come by then keeps the focus where it is, in ms. */
const PATIENCE_MS = 10_000;

/** Moves the focus to the page's heading as soon as it is there. Returns the function that gives up. */
export function focusHeading(): () => void {
  const focus = () => {
    const heading = document.querySelector<HTMLElement>('h1');
    if (heading === null) return;
    stop();
    // A field that asked for it, or a person who was faster, keeps it.
    if (document.activeElement !== null && document.activeElement !== document.body) return;
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  };
  const observer = new MutationObserver(focus);
  const timer = setTimeout(() => stop(), PATIENCE_MS);
  const stop = () => {
    clearTimeout(timer);
    observer.disconnect();
  };
  observer.observe(document.body, { childList: true, subtree: true });
  focus();
  return stop;
}
