/** The screen itself: dark, and awake. */
import { useEffect, useState } from 'react';

const SCHEME = 'data-mantine-color-scheme';

/** Dark while the board is shown, whatever the person prefers elsewhere. */
export function useDark(): void {
  useEffect(() => {
    const root = document.documentElement;
    const before = root.getAttribute(SCHEME);
    root.setAttribute(SCHEME, 'dark');
    return () => {
      if (before) root.setAttribute(SCHEME, before);
    };
  }, []);
}

/** Keeps the screen from going dark while the page is seen. Returns whether the browser does it. */
export function useAwake(): boolean {
  const [isAwake, setAwake] = useState(false);
  useEffect(() => {
    let lock: WakeLockSentinel | null = null;
    let isOver = false;
    const ask = async () => {
      if (document.hidden || !('wakeLock' in navigator)) return;
      try {
        const granted = await navigator.wakeLock.request('screen');
        if (isOver) return void granted.release();
        lock = granted;
        setAwake(true);
        // The browser takes it back when the page is hidden or the battery is low.
        granted.addEventListener('release', () => setAwake(false));
      } catch {
        setAwake(false);
      }
    };
    const onVisible = () => void ask();
    void ask();
    document.addEventListener('visibilitychange', onVisible);
    return () => {
      isOver = true;
      document.removeEventListener('visibilitychange', onVisible);
      void lock?.release();
    };
  }, []);
  return isAwake;
}
