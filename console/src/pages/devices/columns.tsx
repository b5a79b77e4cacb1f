import { Group } from '@mantine/core';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { useSites } from '../../api/lists';
import { useIsStale } from '../../api/live';
import type { Device, Health } from '../../api/types';
import { useWords } from '../../i18n/words';
import { HealthBadge, LevelBadge } from '../../ui/badges';
import type { Column } from '../../ui/data-table';
import { AppLink } from '../../ui/link';
import { RowAge } from '../../ui/row-age';
import { DEFAULT_ZONE } from '../../ui/time';
import { Age, useDurationText } from '../../ui/time-text';

const NOTHING = <span className="k-dim">—</span>;
const NONE = <span className="k-dim">0</span>;

/**
 * Columns of the list; the site only when several are shown.
 *
 * Words, zones and whether the stream is down are found here once, and not by every cell of every row: rows are made
 * at the speed of somebody who scrolls.
 */
export function useDeviceColumns(withSite: boolean): readonly Column<Device>[] {
  const { t } = useTranslation(['devices', 'common']);
  const words = useWords();
  const sites = useSites();
  const isDown = useIsStale();
  const durationText = useDurationText();
  // biome-ignore lint/correctness/useExhaustiveDependencies: `durationText` is another with another language, like `t`
  return useMemo(() => {
    const siteOf = new Map(
      sites.map((site) => [
        site.id,
        { name: words.name(site.name, site.id), zone: site.zone || DEFAULT_ZONE },
      ]),
    );
    const why = (health: Health, old: boolean) =>
      [old ? t('lastKnown') : '', health.reason && words.reason(health.reason), words.text(health)]
        .filter((part) => part !== '')
        .join(' · ');
    const columns: (Column<Device> | false)[] = [
      {
        id: 'worst',
        header: t('health'),
        width: '9rem',
        sortable: true,
        cell: ({ health }) => {
          const old = isDown || health.current === false;
          return (
            <LevelBadge
              level={health.level}
              word={words.health(health.level)}
              old={old}
              title={why(health, old) || undefined}
            />
          );
        },
      },
      {
        id: 'label',
        header: t('name'),
        width: 'minmax(11rem, 2fr)',
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
        width: 'minmax(7.5rem, 1.4fr)',
        sortable: true,
        cell: (device) => words.class(device.class),
      },
      withSite && {
        id: 'site',
        header: t('site'),
        width: 'minmax(7rem, 1.3fr)',
        sortable: true,
        cell: (device) => siteOf.get(device.site)?.name ?? device.site,
      },
      {
        id: 'area',
        header: t('area'),
        width: 'minmax(7rem, 1.3fr)',
        sortable: true,
        cell: (device) => device.area || NOTHING,
      },
      {
        id: 'alarms',
        header: t('alarms'),
        width: '4.75rem',
        align: 'end',
        sortable: true,
        cell: (device) => (device.alarms > 0 ? <strong>{device.alarms}</strong> : NONE),
      },
      {
        id: 'since',
        header: t('since'),
        width: '7.5rem',
        sortable: true,
        cell: (device) => (
          <RowAge
            ms={device.health.time_ms}
            zone={siteOf.get(device.site)?.zone ?? DEFAULT_ZONE}
            text={durationText}
          />
        ),
      },
      { id: 'agent', header: t('agent'), width: 'minmax(6.5rem, 1.2fr)', cell: (device) => device.agent },
    ];
    return columns.filter((column) => column !== false);
  }, [t, words, sites, isDown, withSite]);
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
