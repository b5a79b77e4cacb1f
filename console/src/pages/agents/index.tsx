/** Agents, what waits in them, and everything that was lost on the way. */
import { Button, SegmentedControl } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useRight } from '../../api/session';
import { useParams, word } from '../../app/params';
import { IconPlus } from '../../ui/icons';
import { PageBody, PageHeader } from '../../ui/page';
import { Once } from '../people/once';
import { AgentList } from './agent-list';
import { EnrolDialog } from './enrol-dialog';
import { Gaps, Outages, Quarantine } from './losses';

const TABS = ['agents', 'gaps', 'outages', 'quarantine'] as const;
const PARAMS = { tab: word(TABS, 'agents') };

export interface MadeToken {
  agent: string;
  token: string;
}

export default function AgentsPage() {
  const { t } = useTranslation('agents');
  const mayEnrol = useRight('configure');
  const [{ tab }, setParams] = useParams(PARAMS);
  const [isEnrolling, setEnrolling] = useState(false);
  const [made, setMade] = useState<MadeToken | null>(null);
  return (
    <PageBody fill={tab !== 'agents'}>
      <PageHeader
        title={t('title')}
        description={t('subtitle')}
        actions={
          mayEnrol && (
            <Button size="xs" leftSection={<IconPlus size={14} />} onClick={() => setEnrolling(true)}>
              {t('enrol')}
            </Button>
          )
        }
      />
      <SegmentedControl
        size="xs"
        style={{ alignSelf: 'flex-start' }}
        data={TABS.map((value) => ({ value, label: t(`tab.${value}`) }))}
        value={tab}
        onChange={(value) => setParams({ tab: value as (typeof TABS)[number] }, { push: true })}
      />
      {tab === 'agents' && <AgentList mayChange={mayEnrol} onToken={setMade} />}
      {tab === 'gaps' && <Gaps />}
      {tab === 'outages' && <Outages />}
      {tab === 'quarantine' && <Quarantine />}
      {isEnrolling && <EnrolDialog onClose={() => setEnrolling(false)} onMade={setMade} />}
      {made && (
        <Once
          title={t('token.title')}
          text={t('token.text', { name: made.agent })}
          secret={made.token}
          words={{ copy: t('token.copy'), copied: t('token.copied'), done: t('token.done') }}
          onClose={() => setMade(null)}
        />
      )}
    </PageBody>
  );
}
