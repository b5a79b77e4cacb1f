/** Who changed a rule and when, for those who may see the audit log. */
import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import type { AuditRow, Page } from '../../api/types';
import { Panel } from '../../ui/page';
import { LoadingState } from '../../ui/states';
import { TimeText } from '../../ui/time-text';
import { useActionText } from '../audit/words';

export function Changes({ id }: { id: string }) {
  const { t } = useTranslation('rules');
  const actionText = useActionText();
  const { data } = useQuery({
    queryKey: ['audit', { target: id }],
    queryFn: async () => (await api.get<Page<AuditRow>>('/audit', { target: id, limit: 50 })).items,
  });
  return (
    <Panel title={t('revisions')}>
      {!data && <LoadingState rows={3} />}
      {data?.length === 0 && <Text c="dimmed">{t('noRevisions')}</Text>}
      {data?.map((row) => (
        <div
          key={row.id}
          style={{ display: 'flex', flexWrap: 'wrap', gap: '0 0.75rem', padding: '0.2rem 0' }}
        >
          <TimeText ms={row.at_ms} style="minute" />
          <span>{row.actor_name}</span>
          <span className="k-dim">{actionText(row.action)}</span>
        </div>
      ))}
    </Panel>
  );
}
