/** What needs attention first, and how everything is. */
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { overviewQuery } from '../../api/lists';
import { useSite } from '../../app/site';
import { PageBody, PageHeader } from '../../ui/page';
import { LoadingState, ProblemState } from '../../ui/states';

export default function OverviewPage() {
  const { t } = useTranslation('overview');
  const [site] = useSite();
  const { data, error, refetch } = useQuery(overviewQuery(site));
  return (
    <PageBody>
      <PageHeader title={t('title')} />
      {!data && !error && <LoadingState />}
      {!data && error && <ProblemState error={error} retry={() => void refetch()} />}
    </PageBody>
  );
}
