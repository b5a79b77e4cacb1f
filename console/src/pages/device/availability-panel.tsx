import { Table } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import type { components } from '../../api/schema';
import type { DeviceDetail } from '../../api/types';
import { serverNow } from '../../ui/now';
import { shareText } from '../../ui/number';
import { Panel } from '../../ui/page';
import { DurationText } from '../../ui/time-text';

const DAY = 24 * 3_600_000;
const RANGES = { day: DAY, week: 7 * DAY, month: 30 * DAY } as const;

/** How available the device was: what nobody observed is neither up nor down. */
export function AvailabilityPanel({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation('device');
  const { data, error } = useQuery({
    queryKey: ['availability', device.id],
    queryFn: async ({ signal }) => {
      const now = Math.floor(serverNow());
      const ask = async (name: keyof typeof RANGES) => {
        const query = { device: device.id, from: now - RANGES[name], to: now };
        const answer = await api.get<{ total: components['schemas']['Parts'] }>(
          '/availability',
          query,
          signal,
        );
        return { name, parts: answer.total };
      };
      return Promise.all([ask('day'), ask('week'), ask('month')]);
    },
    staleTime: 60_000,
    refetchInterval: 60_000,
  });
  return (
    <Panel title={t('availability.title')} flush>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('availability.period')}</Table.Th>
            <Table.Th ta="right">{t('availability.share')}</Table.Th>
            <Table.Th ta="right">{t('availability.down')}</Table.Th>
            <Table.Th ta="right">{t('availability.notObserved')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {(data ?? []).map(({ name, parts }) => (
            <Table.Tr key={name}>
              <Table.Td>{t(`availability.${name}`)}</Table.Td>
              <Table.Td ta="right" fw={600}>
                {shareText(parts.availability)}
              </Table.Td>
              <Table.Td ta="right">
                <DurationText ms={parts.down_ms} />
              </Table.Td>
              <Table.Td ta="right">
                <DurationText ms={parts.not_observed_ms} />
              </Table.Td>
            </Table.Tr>
          ))}
          {!data && (
            <Table.Tr>
              <Table.Td colSpan={4} c="dimmed">
                {t(error ? 'availability.failed' : 'loading')}
              </Table.Td>
            </Table.Tr>
          )}
        </Table.Tbody>
      </Table>
    </Panel>
  );
}
