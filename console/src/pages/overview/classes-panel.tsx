import { Button } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { troubled, unobserved } from '../../api/standing';
import type { Overview } from '../../api/types';
import { useWords } from '../../i18n/words';
import { AppLink } from '../../ui/link';
import { Panel } from '../../ui/page';
import { HealthBar } from './health-bar';
import { worstClasses } from './order';
import styles from './overview.module.css';

const SHOWN = 10;

/** Classes of devices, worst first. */
export function ClassesPanel({ classes }: { classes: Overview['classes'] }) {
  const { t } = useTranslation('overview');
  const words = useWords();
  const [all, setAll] = useState(false);
  const sorted = worstClasses(classes);
  const shown = all ? sorted : sorted.slice(0, SHOWN);
  return (
    <Panel title={t('classes')} flush>
      <ul className={styles['list']}>
        {shown.map((each) => (
          <li key={each.class} className={styles['class']}>
            <AppLink to="/devices" search={{ class: each.class }}>
              {words.class(each.class)}
            </AppLink>
            <HealthBar levels={each.by_level} total={each.total} />
            <span className={styles['classFigure']}>
              {t('ofTotalShort', { count: troubled(each.by_level), total: each.total })}
              {unobserved(each.by_level) > 0 && ` · ${t('unobserved', { count: unobserved(each.by_level) })}`}
            </span>
          </li>
        ))}
      </ul>
      {sorted.length > SHOWN && (
        <Button variant="subtle" fullWidth radius={0} onClick={() => setAll(!all)}>
          {all ? t('fewer') : t('more', { count: sorted.length - SHOWN })}
        </Button>
      )}
    </Panel>
  );
}
