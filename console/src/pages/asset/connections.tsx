/** What an asset hangs on, which ports lead where, and what hangs on it. */
import { Button } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useRight } from '../../api/session';
import { IconEdit } from '../../ui/icons';
import { Panel } from '../../ui/page';
import { LoadingState, ProblemState } from '../../ui/states';
import { AROUND, around } from '../assets/around';
import { AroundList } from '../assets/around-list';
import classes from '../assets/assets.module.css';
import { useTopology } from '../assets/data';
import type { Asset } from '../assets/types';
import { ConnectionsDialog } from './connections-dialog';

export function Connections({ asset }: { asset: Asset }) {
  const { t } = useTranslation('assets');
  const mayEdit = useRight('configure', asset.site);
  const [isEditing, setEditing] = useState(false);
  const { data, error, refetch } = useTopology(asset.site);
  const found = data && around(data, asset.id);
  const edit = mayEdit && (
    <Button
      size="compact-sm"
      variant="default"
      leftSection={<IconEdit size={13} />}
      onClick={() => setEditing(true)}
    >
      {t('editConnections')}
    </Button>
  );
  return (
    <Panel title={t('connections')} aside={edit} flush>
      {!found &&
        (error ? <ProblemState error={error} retry={() => void refetch()} /> : <LoadingState rows={3} />)}
      {found &&
        AROUND.map((group) => (
          <section key={group} className={classes['group']}>
            <h3>{t(`around.${group}`)}</h3>
            <AroundList of={found[group]} />
          </section>
        ))}
      {isEditing && <ConnectionsDialog asset={asset} onClose={() => setEditing(false)} />}
    </Panel>
  );
}
