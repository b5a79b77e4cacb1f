import { Text } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, Problem } from '../../api/client';
import type { Alarm, Page } from '../../api/types';
import { ConfirmDialog } from '../../ui/confirm';
import { serverNow } from '../../ui/now';
import type { ActResult } from '../alarms/types';
import type { BulkDialogProps } from './area-dialog';
import { LengthSelect } from './length-select';
import { useBulk } from './use-bulk';

/** Shelves what is open on one device; an alarm that could not be shelved counts as a failure of its device. */
async function shelve(device: string, until_ms: number, reason: string): Promise<void> {
  const open = await api.get<Page<Alarm>>('/alarms', { device, state: 'open', hidden: 'all', limit: 1000 });
  const ids = open.items.map((alarm) => alarm.id);
  if (ids.length === 0) return;
  const { results } = await api.post<{ results: ActResult[] }>('/alarms/act', {
    ids,
    do: 'shelve',
    until_ms,
    reason,
  });
  const failed = results.find((result) => !result.done);
  if (failed) throw new Problem(409, 'conflict', '', failed.problem ?? '', [], null, failed.problem_zh ?? '');
}

/** Keeps the open alarms of the devices out of sight for a while. */
export function ShelveDialog({ ids, opened, onClose }: BulkDialogProps) {
  const { t } = useTranslation('devices');
  const [ms, setMs] = useState(4 * 3_600_000);
  const [, run] = useBulk();
  return (
    <ConfirmDialog
      opened={opened}
      onClose={onClose}
      title={t('bulk.shelveTitle', { count: ids.length })}
      confirm={t('bulk.shelveConfirm')}
      reason="required"
      onConfirm={(reason) => run(ids, (id) => shelve(id, Math.round(serverNow() + ms), reason))}
    >
      <Text size="sm" c="dimmed">
        {t('bulk.shelveText')}
      </Text>
      <LengthSelect label={t('bulk.length')} ms={ms} onChange={setMs} />
    </ConfirmDialog>
  );
}
