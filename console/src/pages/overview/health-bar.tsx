import { Tooltip } from '@mantine/core';
import type { ByLevel } from '../../api/types';
import { useWords } from '../../i18n/words';
import { LEVEL_TONES } from '../../ui/badges';
import { segments } from './order';
import classes from './overview.module.css';

/** The levels of many devices as parts of a bar. The numbers stand in words beside it or on hover. */
export function HealthBar({ levels, total }: { levels: ByLevel; total: number }) {
  const words = useWords();
  const parts = segments(levels, total);
  const label = parts.map(({ level, n }) => `${words.health(level)} ${n}`).join(' · ');
  return (
    <Tooltip label={label}>
      <div className={classes['bar']} role="img" aria-label={label}>
        {parts.map(({ level, share }) => (
          <span
            key={level}
            data-tone={level === 'not_current' ? 'off' : LEVEL_TONES[level]}
            data-level={level}
            style={{ flexGrow: share }}
          />
        ))}
      </div>
    </Tooltip>
  );
}
