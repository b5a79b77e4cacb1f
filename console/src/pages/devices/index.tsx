/** All devices: filter, search, order, and do something to many of them. */
import { TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { usePagedList } from '../../api/lists';
import type { Device } from '../../api/types';
import { text, useParams, word, words } from '../../app/params';
import { useSite } from '../../app/site';
import { LEVELS } from '../../ui/badges';
import { DataTable } from '../../ui/data-table';
import { useGo } from '../../ui/link';
import { PageBody, PageHeader } from '../../ui/page';
import { DeviceCard, useDeviceColumns } from './columns';

const SORTS = ['worst', 'label', 'class', 'area', 'site', 'alarms', 'since'] as const;
const PARAMS = {
  q: text(),
  class: text(),
  area: text(),
  agent: text(),
  health: words(LEVELS),
  sort: word(SORTS, 'worst'),
  order: word(['asc', 'desc'], 'asc'),
};

export default function DevicesPage() {
  const { t } = useTranslation('devices');
  const [site] = useSite();
  const [params, setParams] = useParams(PARAMS);
  const go = useGo();
  const columns = useDeviceColumns(site === null);
  const query = useMemo(() => ({ ...params, site }), [params, site]);
  const list = usePagedList<Device>(['devices'], '/devices', query, 500);
  const search = useDebouncedCallback((q: string) => setParams({ q }), 250);
  return (
    <PageBody fill>
      <PageHeader
        title={t('title')}
        actions={
          <TextInput
            aria-label={t('search')}
            placeholder={t('search')}
            defaultValue={params.q}
            onChange={(event) => search(event.currentTarget.value)}
          />
        }
      />
      <DataTable
        label={t('title')}
        list={list}
        columns={columns}
        rowId={(device) => device.id}
        card={(device) => <DeviceCard device={device} />}
        onOpen={(device) => go(`/devices/${encodeURIComponent(device.id)}`)}
        sort={{ by: params.sort, descending: params.order === 'desc' }}
        onSort={(sort) =>
          setParams({ sort: sort.by as (typeof SORTS)[number], order: sort.descending ? 'desc' : 'asc' })
        }
        empty={{ title: t('empty') }}
      />
    </PageBody>
  );
}
