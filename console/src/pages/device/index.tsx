/** One device: how it is, how it was, what it can be told to do. */
import { Tabs } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams as useRouterParams } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useWatchDevice } from '../../api/live';
import type { DeviceDetail } from '../../api/types';
import { useParams } from '../../app/params';
import { Pictures } from '../../evidence/pictures';
import { PageBody } from '../../ui/page';
import { LoadingState, ProblemState } from '../../ui/states';
import { AlarmsTab } from './alarms-tab';
import { ChangesTab } from './changes-tab';
import { Charts } from './charts';
import { CommandsTab } from './commands';
import { EventsTab } from './events-tab';
import { Head } from './head';
import { NeighboursTab } from './neighbours-tab';
import { PARAMS, TABS, type Tab } from './params';
import { StateTab } from './state-tab';

export default function DevicePage() {
  const { id = '' } = useRouterParams({ strict: false }) as { id?: string };
  const { t } = useTranslation('device');
  const [params, set] = useParams(PARAMS);
  useWatchDevice(id);
  const {
    data: device,
    error,
    refetch,
  } = useQuery({
    queryKey: ['device', id],
    queryFn: ({ signal }) => api.get<DeviceDetail>(`/devices/${encodeURIComponent(id)}`, {}, signal),
    // The stream tells what comes; that something should have come and did not, only the collector knows.
    refetchInterval: 15_000,
  });
  if (!device) {
    return (
      <PageBody>
        {error ? <ProblemState error={error} retry={() => void refetch()} /> : <LoadingState />}
      </PageBody>
    );
  }
  const tabs = TABS.filter((tab) => tab !== 'commands' || device.actions.length > 0);
  const tab = tabs.includes(params.tab) ? params.tab : 'state';
  return (
    <PageBody>
      <Head device={device} />
      <Tabs value={tab} onChange={(next) => set({ tab: (next ?? 'state') as Tab })} keepMounted={false}>
        <Tabs.List style={{ flexWrap: 'nowrap', overflowX: 'auto', overflowY: 'hidden' }}>
          {tabs.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {t(`tab.${each}`)}
              {each === 'alarms' && device.alarms > 0 && ` ${device.alarms}`}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={tab} pt="sm">
          {tab === 'state' && (
            <StateTab
              device={device}
              onChart={(point) => set({ tab: 'charts', points: [point] }, { push: true })}
            />
          )}
          {tab === 'charts' && <Charts device={device} params={params} set={set} />}
          {tab === 'events' && <EventsTab device={device} />}
          {tab === 'alarms' && <AlarmsTab device={device} />}
          {tab === 'commands' && <CommandsTab device={device} params={params} set={set} />}
          {tab === 'pictures' && <Pictures subject={{ device: device.id, site: device.site }} />}
          {tab === 'neighbours' && <NeighboursTab device={device} />}
          {tab === 'changes' && <ChangesTab device={device} />}
        </Tabs.Panel>
      </Tabs>
    </PageBody>
  );
}
