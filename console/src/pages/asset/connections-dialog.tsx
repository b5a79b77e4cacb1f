/** Changes what an asset hangs on, and which of its ports leads to which port of which other asset. */
import { ActionIcon, Button, Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { FormDialog } from '../../ui/form-dialog';
import { IconPlus, IconTrash } from '../../ui/icons';
import classes from '../assets/assets.module.css';
import { AssetPicker } from '../assets/pickers';
import type { Asset, Neighbour } from '../assets/types';
import { type Line, linesOf, neighboursOf, wrongWith } from './lines';

export function ConnectionsDialog({ asset, onClose }: { asset: Asset; onClose: () => void }) {
  const { t } = useTranslation('assets');
  const { t: common } = useTranslation('common');
  const client = useQueryClient();
  const [parent, setParent] = useState(asset.parent);
  const [lines, setLines] = useState<Line[]>(() => linesOf(asset.neighbours));
  const set = (key: number, change: Partial<Neighbour>) =>
    setLines((before) => before.map((line) => (line.key === key ? { ...line, ...change } : line)));
  const add = () =>
    setLines((before) => [
      ...before,
      { key: Math.max(-1, ...before.map(({ key }) => key)) + 1, asset: '', port: '', their_port: '' },
    ]);
  const save = async () => {
    const change = { parent, neighbours: neighboursOf(lines), revision: asset.revision };
    await api.patch<Asset>(`/assets/${encodeURIComponent(asset.id)}`, change);
    await client.invalidateQueries({ queryKey: ['asset'] });
    void client.invalidateQueries({ queryKey: ['assets'] });
    void client.invalidateQueries({ queryKey: ['topology'] });
  };
  const check = () => {
    const wrong = wrongWith(lines);
    return wrong && t(`wrongConnection.${wrong}`);
  };
  return (
    <FormDialog
      title={t('connectionsTitle', { name: asset.name })}
      submit={common('save')}
      size="lg"
      check={check}
      onSubmit={save}
      onClose={onClose}
    >
      <AssetPicker
        label={t('field.parent')}
        description={t('parentHelp')}
        site={asset.site}
        value={parent}
        except={asset.id}
        onChange={setParent}
      />
      <Text fw={500} size="sm">
        {t('field.neighbours')}
      </Text>
      {lines.length === 0 && (
        <Text size="sm" c="dimmed">
          {t('noNeighboursYet')}
        </Text>
      )}
      {lines.map((line) => (
        <div key={line.key} className={classes['neighbour']}>
          <TextInput
            label={t('ownPort')}
            maxLength={100}
            value={line.port}
            onChange={(event) => set(line.key, { port: event.currentTarget.value })}
          />
          <AssetPicker
            label={t('otherAsset')}
            site={asset.site}
            value={line.asset || null}
            except={asset.id}
            onChange={(other) => set(line.key, { asset: other ?? '' })}
          />
          <TextInput
            label={t('theirPort')}
            maxLength={100}
            value={line.their_port}
            onChange={(event) => set(line.key, { their_port: event.currentTarget.value })}
          />
          <ActionIcon
            size="lg"
            variant="subtle"
            color="red"
            aria-label={t('removeNeighbour')}
            onClick={() => setLines((before) => before.filter((each) => each.key !== line.key))}
          >
            <IconTrash size={15} />
          </ActionIcon>
        </div>
      ))}
      <Button
        size="compact-sm"
        variant="default"
        style={{ alignSelf: 'flex-start' }}
        leftSection={<IconPlus size={13} />}
        onClick={add}
      >
        {t('addNeighbour')}
      </Button>
    </FormDialog>
  );
}
