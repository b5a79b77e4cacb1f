/** Words that show on hover or focus. Nothing but the text itself is made until somebody points at it. */
import { Tooltip } from '@mantine/core';
import { type ReactNode, useState } from 'react';

interface HintProps {
  /** What is shown; nothing is when it is empty. */
  label: ReactNode;
  children: ReactNode;
}

export function Hint({ label, children }: HintProps) {
  const [isWanted, setWanted] = useState(false);
  if (!label) return children;
  const inner = (
    // biome-ignore lint/a11y/noStaticElementInteractions: pointing at it only shows what is said elsewhere too
    <span className="k-hint" onPointerEnter={() => setWanted(true)} onFocus={() => setWanted(true)}>
      {children}
    </span>
  );
  if (!isWanted) return inner;
  return (
    <Tooltip label={label} defaultOpened>
      {inner}
    </Tooltip>
  );
}
