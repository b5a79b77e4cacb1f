import { Text } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { ConfirmDialog } from '../../ui/confirm';
import { serverNow } from '../../ui/now';
import type { BulkDialogProps } from './area-dialog';
import { LengthSelect } from './length-select';
import { useBulk } from './use-bulk';

/** Begins a window of maintenance, now, for each of the devices. */
export function MaintenanceDialog({ ids, opened, onClose }: BulkDialogProps) {
  const { t } = useTranslation('devices');
  const [ms, setMs] = useState(4 * 3_600_000);
  const [, run] = useBulk();
  const begin = (reason: string) => {
    const from = serverNow();
    const window = { from: String(Math.round(from)), to: String(Math.round(from + ms)), reason };
    return run(ids, (device) => api.post('/maintenance', { device, ...window }));
  };
  return (
    <ConfirmDialog
      opened={opened}
      onClose={onClose}
      title={t('bulk.maintenanceTitle', { count: ids.length })}
      confirm={t('bulk.maintenanceConfirm')}
      reason="required"
      onConfirm={begin}
    >
      <Text size="sm" c="dimmed">
        {t('bulk.maintenanceText')}
      </Text>
      <LengthSelect label={t('bulk.length')} ms={ms} onChange={setMs} />
    </ConfirmDialog>
  );
}
