import { TextInput } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { ConfirmDialog } from '../../ui/confirm';
import { useBulk } from './use-bulk';

export interface BulkDialogProps {
  ids: readonly string[];
  opened: boolean;
  onClose: () => void;
}

/** Puts devices into an area. */
export function AreaDialog({ ids, opened, onClose }: BulkDialogProps) {
  const { t } = useTranslation('devices');
  const [area, setArea] = useState('');
  const [, run] = useBulk();
  return (
    <ConfirmDialog
      opened={opened}
      onClose={onClose}
      title={t('bulk.areaTitle', { count: ids.length })}
      confirm={t('bulk.areaConfirm')}
      onConfirm={() => run(ids, (id) => api.put(`/devices/${encodeURIComponent(id)}`, { area: area.trim() }))}
    >
      <TextInput
        label={t('area')}
        description={t('bulk.areaText')}
        maxLength={100}
        value={area}
        onChange={(event) => setArea(event.currentTarget.value)}
        data-autofocus
      />
    </ConfirmDialog>
  );
}
