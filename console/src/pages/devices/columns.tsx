import { Group } from '@mantine/core';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { Device } from '../../api/types';
import { useWords } from '../../i18n/words';
import { HealthBadge } from '../../ui/badges';
import type { Column } from '../../ui/data-table';
import { AppLink } from '../../ui/link';
import { SiteName } from '../../ui/site-name';
import { Age } from '../../ui/time-text';

/** Columns of the list; the site only when several are shown. */
export function useDeviceColumns(withSite: boolean): readonly Column<Device>[] {
  const { t } = useTranslation('devices');
  const words = useWords();
  return useMemo(() => {
    const columns: (Column<Device> | false)[] = [
      {
        id: 'worst',
        header: t('health'),
        width: '9rem',
        sortable: true,
        cell: (device) => <HealthBadge health={device.health} />,
      },
      {
        id: 'label',
        header: t('name'),
        width: 'minmax(13rem, 2fr)',
        sortable: true,
        cell: (device) => (
          <AppLink to={`/devices/${encodeURIComponent(device.id)}`} title={device.label}>
            {device.label}
          </AppLink>
        ),
      },
      {
        id: 'class',
        header: t('class'),
        width: '9rem',
        sortable: true,
        cell: (device) => words.class(device.class),
      },
      withSite && {
        id: 'site',
        header: t('site'),
        width: 'minmax(8rem, 1fr)',
        sortable: true,
        cell: (device) => <SiteName id={device.site} />,
      },
      {
        id: 'area',
        header: t('area'),
        width: 'minmax(8rem, 1fr)',
        sortable: true,
        cell: (device) => device.area || <span className="k-dim">—</span>,
      },
      {
        id: 'alarms',
        header: t('alarms'),
        width: '5.5rem',
        align: 'end',
        sortable: true,
        cell: (device) =>
          device.alarms > 0 ? <strong>{device.alarms}</strong> : <span className="k-dim">0</span>,
      },
      {
        id: 'since',
        header: t('since'),
        width: '9rem',
        sortable: true,
        cell: (device) => <Age ms={device.health.time_ms} site={device.site} />,
      },
      { id: 'agent', header: t('agent'), width: 'minmax(7rem, 1fr)', cell: (device) => device.agent },
    ];
    return columns.filter((column) => column !== false);
  }, [t, words, withSite]);
}

/** A device on a phone. */
export function DeviceCard({ device }: { device: Device }) {
  const { t } = useTranslation('devices');
  const words = useWords();
  return (
    <>
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <AppLink to={`/devices/${encodeURIComponent(device.id)}`}>{device.label}</AppLink>
        <HealthBadge health={device.health} />
      </Group>
      <div className="k-dim">
        {[words.class(device.class), device.area].filter((part) => part !== '').join(' · ')}
      </div>
      <Group gap="md" className="k-dim">
        <span>
          {t('since')} <Age ms={device.health.time_ms} site={device.site} />
        </span>
        {device.alarms > 0 && <strong>{t('alarmCount', { count: device.alarms })}</strong>}
      </Group>
    </>
  );
}
