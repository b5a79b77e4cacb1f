import { useTranslation } from 'react-i18next';
import { currentLanguage } from '../../i18n';
import { SeverityBadge } from '../../ui/badges';
import { AppLink } from '../../ui/link';
import { Panel } from '../../ui/page';
import { Age } from '../../ui/time-text';
import { type AlarmDetail, inLanguage } from '../alarms/types';
import classes from './alarm.module.css';

export function Hidden({ alarm }: { alarm: AlarmDetail }) {
  const { t } = useTranslation('alarm');
  const { hidden, hides } = alarm;
  return (
    <Panel title={t('hiddenTitle', { count: hides })} flush>
      <ul className={classes.list}>
        <li className={classes.small}>{t('hiddenHelp')}</li>
        {hidden.map((child) => (
          <li key={child.id}>
            <SeverityBadge severity={child.severity} old={child.state !== 'raised'} />
            <span className={classes.grow}>
              <AppLink to={`/alarms/${child.id}`}>{inLanguage(child.text, currentLanguage())}</AppLink>
              <br />
              <span className={classes.small}>{child.device_label || child.device}</span>
            </span>
            <span className={classes.small}>
              <Age ms={child.last_raised_ms} site={child.site} />
            </span>
          </li>
        ))}
        {hides > hidden.length && (
          <li className={classes.small}>{t('hiddenMore', { shown: hidden.length, count: hides })}</li>
        )}
      </ul>
    </Panel>
  );
}
