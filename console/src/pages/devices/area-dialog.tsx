import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useSite } from '../../app/site';
import { AreaInput } from '../../ui/area-select';
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
  const [site] = useSite();
  const [, run] = useBulk();
  return (
    <ConfirmDialog
      opened={opened}
      onClose={onClose}
      title={t('bulk.areaTitle', { count: ids.length })}
      confirm={t('bulk.areaConfirm')}
      onConfirm={() => run(ids, (id) => api.put(`/devices/${encodeURIComponent(id)}`, { area: area.trim() }))}
    >
      <AreaInput
        label={t('area')}
        description={t('bulk.areaText')}
        site={site}
        value={area}
        onChange={setArea}
      />
    </ConfirmDialog>
  );
}
