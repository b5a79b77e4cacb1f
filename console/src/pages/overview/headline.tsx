/** The first line: how many devices are how, and how alarms are answered. */
import { useTranslation } from 'react-i18next';
import { promptShare } from '../../api/overview';
import type { Overview } from '../../api/types';
import { useWords } from '../../i18n/words';
import { LEVELS, LevelShape, SEVERITIES, SeverityShape } from '../../ui/badges';
import { AppLink } from '../../ui/link';
import { numberText, shareText } from '../../ui/number';
import { DurationText } from '../../ui/time-text';
import { HealthBar } from './health-bar';
import classes from './overview.module.css';

export function Headline({ overview }: { overview: Overview }) {
  const { t } = useTranslation('overview');
  const words = useWords();
  const { devices, alarms } = overview;
  const levels = devices.by_level;
  const notCurrent = levels.not_current ?? 0;
  return (
    <section className={classes['headline']}>
      <div className={classes['tiles']}>
        <AppLink to="/devices" className={classes['tile']}>
          <span className={classes['tileWord']}>{t('devices')}</span>
          <span className={classes['tileNumber']}>{numberText(devices.total)}</span>
        </AppLink>
        {LEVELS.filter(
          (level) => level === 'working' || level === 'unreachable' || (levels[level] ?? 0) > 0,
        ).map((level) => (
          <AppLink key={level} to="/devices" search={{ health: level }} className={classes['tile']}>
            <span className={classes['tileWord']}>
              <LevelShape level={level} /> {words.health(level)}
            </span>
            <span className={classes['tileNumber']}>{numberText(levels[level] ?? 0)}</span>
          </AppLink>
        ))}
        {notCurrent > 0 && (
          <AppLink to="/devices" search={{ health: 'not_current' }} className={classes['tile']}>
            <span className={classes['tileWord']}>
              <LevelShape level="unknown" /> {words.health('not_current')}
            </span>
            <span className={classes['tileNumber']}>{numberText(notCurrent)}</span>
          </AppLink>
        )}
      </div>
      <HealthBar levels={levels} total={devices.total} />
      {notCurrent > 0 && <p className={classes['note']}>{t('notCurrent', { count: notCurrent })}</p>}
      <div className={classes['tiles']}>
        {SEVERITIES.map((severity) => {
          const of = alarms.by_severity[severity];
          return (
            <AppLink
              key={severity}
              to="/alarms"
              search={{ min_severity: severity }}
              className={classes['tile']}
            >
              <span className={classes['tileWord']}>
                <SeverityShape severity={severity} /> {t('alarmsOf', { severity: words.severity(severity) })}
              </span>
              <span className={classes['tileNumber']}>
                {numberText(of?.open ?? 0)}
                {(of?.unacknowledged ?? 0) > 0 && (
                  <small className={classes['tileNote']}>
                    {t('unseen', { count: of?.unacknowledged ?? 0 })}
                  </small>
                )}
              </span>
            </AppLink>
          );
        })}
        <div className={classes['tile']}>
          <span className={classes['tileWord']}>{t('response')}</span>
          <span className={classes['tileNumber']}>
            {alarms.response && alarms.response.count > 0 ? (
              <DurationText ms={alarms.response.mean_ms} />
            ) : (
              '—'
            )}
            <small className={classes['tileNote']} data-below>
              {alarms.response && alarms.response.count > 0
                ? t('within', { share: shareText(promptShare(alarms.response)) })
                : t('noResponse')}
            </small>
          </span>
        </div>
        <div className={classes['tile']}>
          <span className={classes['tileWord']}>{t('quiet')}</span>
          <span className={classes['tileQuiet']}>
            {t('quietText', {
              hidden: alarms.hidden,
              shelved: alarms.shelved,
              maintenance: alarms.maintenance,
            })}
          </span>
        </div>
      </div>
    </section>
  );
}
