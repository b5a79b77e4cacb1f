/** Keys of the desk work wherever the focus is, unless somebody types or a dialog is open. */
import { useEffect, useRef } from 'react';
import { actionOf, type DeskAction } from './keys';

function isTaken(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || document.querySelector('[role="dialog"]') !== null) return true;
  const target = event.target instanceof HTMLElement ? event.target : null;
  if (!target) return false;
  if (
    target.isContentEditable ||
    target.closest(
      'input:not([type="checkbox"], [type="radio"]), textarea, select, [role="listbox"], [role="menu"]',
    )
  ) {
    return true;
  }
  // A focused button or link does its own thing on Enter.
  return event.key === 'Enter' && target.closest('a, button') !== null;
}

export function useDeskKeys(listener: (action: DeskAction) => void): void {
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { key, ctrlKey, metaKey, altKey } = event;
      const action = actionOf({ key, ctrlKey, metaKey, altKey, isTaken: isTaken(event) });
      if (!action) return;
      event.preventDefault();
      latest.current(action);
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
}
