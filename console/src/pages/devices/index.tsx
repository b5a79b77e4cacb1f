/** All devices: filter, search, order, and do something to many of them. */
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { usePagedList } from '../../api/lists';
import { useSession } from '../../api/session';
import type { Device } from '../../api/types';
import { useParams } from '../../app/params';
import { useSite } from '../../app/site';
import { DataTable } from '../../ui/data-table';
import { useGo } from '../../ui/link';
import { PageBody, PageHeader } from '../../ui/page';
import { BulkBar } from './bulk-bar';
import { DeviceCard, useDeviceColumns } from './columns';
import { FilterBar } from './filter-bar';
import { PARAMS, type SORTS, toQuery } from './params';

const TONES = { unreachable: 'bad', reachable: 'serious', answering: 'warn' } as const;

function toneOf(device: Device): 'bad' | 'serious' | 'warn' | undefined {
  return TONES[device.health.level as keyof typeof TONES];
}

function sitesOf(rows: readonly Device[], chosen: ReadonlySet<string>): string[] {
  return [...new Set(rows.filter(({ id }) => chosen.has(id)).map(({ site }) => site))];
}

export default function DevicesPage() {
  const { t } = useTranslation('devices');
  const [site] = useSite();
  const [params, setParams] = useParams(PARAMS);
  const { rights } = useSession();
  const go = useGo();
  const columns = useDeviceColumns(site === null);
  const query = useMemo(() => toQuery(params, site), [params, site]);
  const list = usePagedList<Device>(['devices'], '/devices', query, 500);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const mayAct = rights.some((right) => right === 'configure' || right === 'maintain' || right === 'operate');
  return (
    <PageBody fill>
      <PageHeader title={t('title')} />
      <FilterBar params={params} set={setParams} />
      {chosen.size > 0 && (
        <BulkBar ids={[...chosen]} sites={sitesOf(list.rows, chosen)} onClear={() => setChosen(new Set())} />
      )}
      <DataTable
        label={t('title')}
        list={list}
        columns={columns}
        rowId={(device) => device.id}
        card={(device) => <DeviceCard device={device} />}
        onOpen={(device) => go(`/devices/${encodeURIComponent(device.id)}`)}
        sort={{ by: params.sort, descending: params.order === 'desc' }}
        onSort={({ by, descending }) =>
          setParams({ sort: by as (typeof SORTS)[number], order: descending ? 'desc' : 'asc' })
        }
        {...(mayAct ? { selected: chosen, onSelect: setChosen } : {})}
        tone={toneOf}
        empty={{ title: t('empty'), text: t('emptyText') }}
      />
    </PageBody>
  );
}
