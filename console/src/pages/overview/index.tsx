/** What needs attention first, and how everything is. */
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { overviewQuery } from '../../api/lists';
import { useIsStale } from '../../api/live';
import { useSite } from '../../app/site';
import { PageBody, PageHeader } from '../../ui/page';
import { EmptyState, LoadingState, ProblemState } from '../../ui/states';
import { AgentsPanel } from './agents-panel';
import { AttentionPanel } from './attention-panel';
import { ClassesPanel } from './classes-panel';
import { Headline } from './headline';
import classes from './overview.module.css';
import { SitesPanel } from './sites-panel';

export default function OverviewPage() {
  const { t } = useTranslation('overview');
  const [site] = useSite();
  const { data, error, refetch } = useQuery(overviewQuery(site));
  const isStale = useIsStale();
  return (
    <PageBody>
      <PageHeader title={t('title')} />
      {!data && !error && <LoadingState />}
      {!data && error && <ProblemState error={error} retry={() => void refetch()} />}
      {data && data.devices.total === 0 && <EmptyState title={t('empty')} text={t('emptyText')} />}
      {data && data.devices.total > 0 && (
        <div className={classes['page']} data-old={isStale || undefined}>
          <Headline overview={data} />
          <div className={classes['columns']}>
            <AttentionPanel />
            <SitesPanel sites={data.sites} />
          </div>
          <div className={classes['columns']}>
            <ClassesPanel classes={data.classes} />
            <AgentsPanel agents={data.agents} />
          </div>
        </div>
      )}
    </PageBody>
  );
}
