// Where the focus goes when the row that had it is gone.

/** Gives the focus to the first button in `rows`, or else to the tab in front, unless something has it. */
export function keepFocus(rows?: Element | null): void {
  if (document.activeElement !== null && document.activeElement !== document.body) return;
  const next =
    rows?.querySelector<HTMLElement>('li button') ??
    document.querySelector<HTMLElement>('[role="tab"][aria-selected="true"]');
  next?.focus();
}
