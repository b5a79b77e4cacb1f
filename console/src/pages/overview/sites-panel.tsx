import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { availabilityQuery } from '../../api/overview';
import { troubled, unobserved } from '../../api/standing';
import type { Overview } from '../../api/types';
import { useWords } from '../../i18n/words';
import { SeverityShape } from '../../ui/badges';
import { AppLink } from '../../ui/link';
import { shareText } from '../../ui/number';
import { Panel } from '../../ui/page';
import { SiteName } from '../../ui/site-name';
import { HealthBar } from './health-bar';
import { worstSites } from './order';
import classes from './overview.module.css';

/** Sites, worst first. */
export function SitesPanel({ sites }: { sites: Overview['sites'] }) {
  const { t } = useTranslation('overview');
  const words = useWords();
  const availability = useQuery(availabilityQuery).data;
  return (
    <Panel title={t('sites')} flush>
      <ul className={classes['list']}>
        {worstSites(sites).map((site) => (
          <li key={site.site} className={classes['row']}>
            <div className={classes['rowHead']}>
              <AppLink to="/devices" search={{ site: site.site }} className={classes['strong'] ?? ''}>
                <SiteName id={site.site} />
              </AppLink>
              <span className={classes['figures']}>
                {site.worst_severity && (
                  <span title={words.severity(site.worst_severity)}>
                    <SeverityShape severity={site.worst_severity} />{' '}
                    {t('openAlarms', { count: site.open_alarms })}
                  </span>
                )}
                <span title={t('availabilityText')}>
                  {t('availability')} {shareText(availability?.get(site.site))}
                </span>
              </span>
            </div>
            <HealthBar levels={site.by_level} total={site.total} />
            <div className={classes['rowFoot']}>
              {t('ofTotal', { count: troubled(site.by_level), total: site.total })}
              {unobserved(site.by_level) > 0 && ` · ${t('unobserved', { count: unobserved(site.by_level) })}`}
            </div>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
