/** What can be done with the chosen alarms. */
import { Button, Group } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import classes from './desk.module.css';
import type { Deed } from './types';

interface ActBarProps {
  count: number;
  deeds: readonly Deed[];
  busy: boolean;
  onAct: (deed: Deed) => void;
  onClear: () => void;
}

export function ActBar({ count, deeds, busy, onAct, onClear }: ActBarProps) {
  const { t } = useTranslation('alarms');
  return (
    <div className={classes.bulk} role="toolbar" aria-label={t('act.selected', { count })}>
      <strong className="k-num">{t('act.selected', { count })}</strong>
      <Group gap="xs" wrap="wrap">
        {deeds.map((deed, at) => (
          <Button
            key={deed}
            size="compact-sm"
            variant={at === 0 ? 'filled' : 'default'}
            disabled={busy}
            onClick={() => onAct(deed)}
          >
            {t(`act.${deed}`)}
          </Button>
        ))}
      </Group>
      <Button size="compact-sm" variant="subtle" ml="auto" onClick={onClear}>
        {t('act.clear')}
      </Button>
    </div>
  );
}
