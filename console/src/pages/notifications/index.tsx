/** Who learns of alarms, by what means, and what was sent. */
import { SegmentedControl } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useRight } from '../../api/session';
import { useParams, word } from '../../app/params';
import { PageBody, PageHeader } from '../../ui/page';
import { Channels } from './channels';
import { Records } from './records';
import { Routes } from './routes';

const TABS = ['records', 'channels', 'routes'] as const;
const PARAMS = { tab: word(TABS, 'records') };

export default function NotificationsPage() {
  const { t } = useTranslation('notifications');
  const mayChange = useRight('configure');
  const [{ tab }, setParams] = useParams(PARAMS);
  return (
    <PageBody fill={tab === 'records'}>
      <PageHeader title={t('title')} description={t('subtitle')} />
      <SegmentedControl
        size="xs"
        style={{ alignSelf: 'flex-start' }}
        data={TABS.map((value) => ({ value, label: t(`tab.${value}`) }))}
        value={tab}
        onChange={(value) => setParams({ tab: value as (typeof TABS)[number] }, { push: true })}
      />
      {tab === 'records' && <Records />}
      {tab === 'channels' && <Channels mayChange={mayChange} />}
      {tab === 'routes' && <Routes mayChange={mayChange} />}
    </PageBody>
  );
}
