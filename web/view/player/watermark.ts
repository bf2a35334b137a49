// The mark over the picture that says who watches (PRODUCT A6): it wanders, so that it cannot be cut off, and
// is put back where somebody takes it away. It keeps honest people honest; a camera before the screen, which
// nothing stops, at least takes it along.

/** It moves for this long, in ms, and then goes elsewhere. */
const GLIDE_MS = 12_000;
/** How much of the width and height it stays within, so that the controls do not cover it. */
const REACH = 0.82;

/** Inline and important: a style sheet does not hide it. */
const STYLE: Readonly<Record<string, string>> = {
  all: 'initial',
  position: 'absolute',
  top: '0',
  left: '0',
  'z-index': '1',
  display: 'block',
  visibility: 'visible',
  opacity: '0.6',
  'max-width': '90%',
  overflow: 'hidden',
  'white-space': 'nowrap',
  'text-overflow': 'ellipsis',
  padding: '2px 6px',
  font: '600 clamp(12px, 2.2vmin, 22px) system-ui, sans-serif',
  color: '#fff',
  // A dark edge around light letters is read on snow and on night.
  'text-shadow': '0 0 2px #000, 0 0 3px #000, 1px 1px 2px #000, -1px -1px 2px #000',
  'pointer-events': 'none',
  'user-select': 'none',
};

/** Draws `text` over `host`, which must be positioned. Returns the function that ends it. */
export function drawWatermark(
  host: HTMLElement,
  text: string,
  random: () => number = Math.random,
): () => void {
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  let mark = document.createElement('div');
  let place = { x: random(), y: random() };

  const make = () => {
    mark = document.createElement('div');
    // The person who watches knows who they are: a screen reader need not say it.
    mark.setAttribute('aria-hidden', 'true');
    mark.dataset['watermark'] = '';
    mark.textContent = text;
    for (const [name, value] of Object.entries(STYLE)) mark.style.setProperty(name, value, 'important');
    move(0);
    host.append(mark);
  };
  const move = (durationMs: number) => {
    const x = place.x * REACH * Math.max(0, host.clientWidth - mark.offsetWidth);
    const y = place.y * REACH * Math.max(0, host.clientHeight - mark.offsetHeight);
    const glide = still.matches || durationMs === 0 ? 'none' : `transform ${durationMs}ms linear`;
    mark.style.setProperty('transition', glide, 'important');
    mark.style.setProperty('transform', `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`, 'important');
    style = mark.getAttribute('style');
  };
  let style: string | null = null;

  const whole = () =>
    mark.parentNode === host &&
    mark.textContent === text &&
    mark.getAttribute('style') === style &&
    !mark.hidden;
  const guard = new MutationObserver(() => {
    if (whole()) return;
    mark.remove();
    make();
    guard.takeRecords();
  });
  const wander = () => {
    place = { x: random(), y: random() };
    move(GLIDE_MS);
  };

  make();
  const watch = { childList: true, subtree: true, characterData: true, attributes: true };
  guard.observe(host, { ...watch, attributeFilter: ['style', 'hidden', 'class'] });
  const begun = setTimeout(wander, 100);
  const timer = setInterval(wander, GLIDE_MS);
  // In a smaller window it must not be left outside.
  const resized = new ResizeObserver(() => move(0));
  resized.observe(host);
  return () => {
    clearTimeout(begun);
    clearInterval(timer);
    resized.disconnect();
    guard.disconnect();
    mark.remove();
  };
}
