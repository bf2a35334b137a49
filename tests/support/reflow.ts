// A page at a zoom of 300 and 400 % (WCAG 2.2 §1.4.10): one column, and every control can be pressed.
import type { Page } from 'playwright-core';

/** What is left of 1280 × 1024 at 300 and 400 %, in CSS px. */
const ZOOMED = [
  { width: 427, height: 341 },
  { width: 320, height: 256 },
];

/** What at these sizes is wider than the window, or cannot be brought where a press meets it. */
export async function reflowProblems(page: Page): Promise<string[]> {
  const before = page.viewportSize();
  const problems: string[] = [];
  for (const size of ZOOMED) {
    await page.setViewportSize(size);
    const found = await page.evaluate(() => {
      const { scrollWidth } = document.documentElement;
      const wide = scrollWidth > innerWidth ? [`the page is ${scrollWidth} wide`] : [];
      const controls = 'button, a[href], input, select, textarea, summary, [role=slider]';
      const covered = [...document.querySelectorAll<HTMLElement>(controls)]
        .filter((control) => control.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
        .filter((control) => !control.matches('.skip, .visually-hidden, :disabled'))
        .flatMap((control) => {
          control.scrollIntoView({ block: 'center', inline: 'nearest', behavior: 'instant' });
          const { left, top, width, height } = control.getBoundingClientRect();
          const hit = document.elementFromPoint(left + width / 2, top + height / 2);
          const label = control instanceof HTMLInputElement ? control.labels?.[0] : undefined;
          const meets = hit !== null && (control.contains(hit) || label?.contains(hit) === true);
          const name = control.getAttribute('aria-label') ?? control.textContent.trim();
          return meets ? [] : [`${name}: under ${hit === null ? 'the edge' : hit.outerHTML.slice(0, 80)}`];
        });
      return [...wide, ...covered];
    });
    problems.push(...found.map((problem) => `${size.width} × ${size.height}: ${problem}`));
  }
  if (before !== null) await page.setViewportSize(before);
  return problems;
}
