/** How long ago something was, in a row of a list: as little work as can be while somebody scrolls. */
import { useSyncExternalStore } from 'react';
import { nowOnce, subscribeNow } from './now';
import { timeText } from './time';

interface RowAgeProps {
  ms: number | null | undefined;
  zone: string;
  /** What `useDurationText` gives. */
  text: (ms: number) => string;
}

export function RowAge({ ms, zone, text }: RowAgeProps) {
  // Drawn again when the words are others, and not at every tick.
  const age = useSyncExternalStore(subscribeNow, () =>
    ms === null || ms === undefined ? '' : text(Math.max(0, Math.floor((nowOnce() - ms) / 1000) * 1000)),
  );
  if (ms === null || ms === undefined) return <span className="k-dim">—</span>;
  const tell = (event: React.PointerEvent<HTMLElement>) => {
    event.currentTarget.title = `${timeText(ms, zone)} ${zone}`;
  };
  return (
    <time className="k-num" onPointerEnter={tell}>
      {age}
    </time>
  );
}
